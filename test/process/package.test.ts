import assert from 'node:assert/strict'
import { cpSync, existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { stripsTypes } from '../../src/config/app-module.ts'
import { ownRoot } from '../../src/config/locate.ts'
import { newerNode } from '../helpers/newer-node.ts'
import { run } from '../helpers/run.ts'
import { Installation, UserProject } from '../helpers/user-project.ts'
import { waitFor } from '../helpers/wait-for.ts'
import { tempFolder } from '../unit/support/temp-folder.ts'

const installation = new Installation()
after(() => installation.remove())

const compiler = fileURLToPath(new URL('../../../node_modules/typescript/bin/tsc', import.meta.url))
const nodeTypes = fileURLToPath(new URL('../../../node_modules/@types', import.meta.url))

/** Answers a line with a word in front of it. */
const answering = (word: string, annotation = '') => `import { defineApp } from 'helloserver'
export default defineApp({
  async handle(connection) {
    const word${annotation} = '${word}'
    await connection.write(word + ' ' + (await connection.readLine()))
  },
})
`

const asCommonJs = `const { defineApp } = require('helloserver')
module.exports = defineApp({
  async handle(connection) {
    await connection.write('one ' + (await connection.readLine()))
  },
})
`

suite('the package in a project', { concurrency: 2 }, () => {
  for (const [form, file, source] of [
    ['an ES module by its name', 'app.mjs', answering('one')],
    ['CommonJS', 'app.cjs', asCommonJs],
  ] as const) {
    test(`an app that is ${form} is served`, async (t) => {
      const project = new UserProject(t, installation, {
        files: {
          'package.json': {},
          'apps/shout/config.json': {},
          [`apps/shout/${file}`]: source,
        },
      })
      assert.match(await project.do('start'), /^shout serves on 127\.0\.0\.1:\d+/)
      assert.equal(await project.answer('shout'), 'one a\r\n')
    })
  }

  test('a reload and an upgrade keep the app, from whichever folder they are asked for', async (t) => {
    const project = new UserProject(t, installation, {
      files: {
        'package.json': { type: 'module' },
        'apps/shout/config.json': {},
        'apps/shout/app.js': answering('one'),
      },
    })
    await project.do('start')
    for (const [command, from, to] of [
      ['reload', 'one', 'two'],
      ['upgrade', 'two', 'three'],
    ] as const) {
      project.edit('apps/shout/app.js', from, to)
      const { status, stderr } = await project.cli([command, '--name', 'shout'], '/')
      assert.equal(status, 0, stderr)
      assert.equal(await project.answer('shout'), `${to} a\r\n`)
    }
    await project.do('stop')
  })

  test('packages that are replaced under the service are found by the next reload and worker', async (t) => {
    const project = new UserProject(t, installation, {
      hasOwnPackages: true,
      files: {
        'package.json': { type: 'module' },
        'apps/shout/config.json': {},
        'apps/shout/app.js': answering('one'),
      },
    })
    await project.do('start')
    project.replacePackages(installation)
    project.edit('apps/shout/app.js', 'one', 'two')
    await project.do('reload')
    assert.equal(await project.answer('shout'), 'two a\r\n')
    project.replacePackages(installation)
    const [worker] = (await project.status('shout')).workers
    assert.ok(worker?.pid)
    process.kill(worker.pid, 'SIGKILL')
    await waitFor('another worker', async () => {
      const [now] = (await project.status('shout')).workers
      return now?.state === 'idle' && now.pid !== worker.pid
    })
    assert.equal(await project.answer('shout'), 'two a\r\n')
    await project.do('upgrade')
    await project.do('stop')
  })

  for (const manager of ['pnpm', 'yarn'] as const) {
    test(`it is installed by ${manager}, typed, and served under pm2`, async (t) => {
      const installed = new Installation(manager, installation.archive)
      t.after(() => installed.remove())
      const project = new UserProject(t, installed, {
        files: {
          'package.json': {
            type: 'module',
            scripts: { start: 'pm2 start ecosystem.config.js', reload: 'pm2 reload shout' },
          },
          'ecosystem.config.js': `import { service } from 'helloserver/pm2'\nexport const apps = [service('shout')]\n`,
          'tsconfig.json': compilerSettings('nodenext', { noEmit: true }),
          'source/app.ts': answering('typed', ': string'),
          'apps/shout/config.json': {},
          'apps/shout/app.js': answering('one'),
        },
      })
      await project.program(compiler)
      await project.script('start')
      assert.equal(await project.answer('shout'), 'one a\r\n')
      project.edit('apps/shout/app.js', 'one', 'two')
      await project.script('reload')
      assert.equal(await project.answer('shout'), 'two a\r\n')
    })
  }

  test('without development packages, the lock file installs all that the program needs', async (t) => {
    const folder = tempFolder(t)
    for (const file of ['package.json', 'package-lock.json', '.npmrc']) {
      cpSync(join(ownRoot, file), join(folder, file))
    }
    run('npm', ['ci', '--prefix', folder, '--omit=dev', '--prefer-offline', '--no-audit'])
    assert.equal(existsSync(join(folder, 'node_modules/typescript')), false)
    for (const part of ['dist', 'apps']) {
      cpSync(join(ownRoot, part), join(folder, part), { recursive: true })
    }
    const cli = join(folder, 'dist/src/bin/cli.js')
    assert.match(run(process.execPath, [cli, 'check', '--example', 'echo']), /app\.js loads$/m)
  })

  test('TypeScript that is compiled to CommonJS, anywhere, is served', async (t) => {
    const project = new UserProject(t, installation, {
      files: {
        'package.json': { helloserver: { apps: 'source/services' } },
        'tsconfig.json': compilerSettings('node16', { outDir: 'out', rootDir: 'source' }),
        'source/services/shout/config.json': { main: '../../../out/services/shout/app.js' },
        'source/services/shout/app.ts': answering('one', ': string'),
      },
    })
    assert.match(
      await project.refused(78, 'check'),
      /The app \S+\/out\/services\/shout\/app\.js, which "main" .* names, does not exist; is it built\?$/,
    )
    await project.program(compiler)
    assert.match(project.read('out/services/shout/app.js'), /exports\.default/)
    await project.do('start')
    assert.equal(await project.answer('shout'), 'one a\r\n')
  })

  for (const [module, type] of [
    ['nodenext', 'module'],
    ['nodenext', 'commonjs'],
    ['node16', 'module'],
    ['node16', 'commonjs'],
    ['preserve', 'module'],
  ] as const) {
    test(`types resolve in a project with module ${module} that is ${type}`, async (t) => {
      const project = new UserProject(t, installation, {
        files: {
          'package.json': { type },
          'tsconfig.json': compilerSettings(module, { noEmit: true }),
          'source/app.ts': `import { type Connection, type ConnectionTls, type Context, defineApp, type Frames, HelloserverError, LineTooLongError, type ProxyHeader } from 'helloserver'
import { type Entry, service } from 'helloserver/pm2'
export const entry: Entry = service('shout', { env: { A: 1 } })
export const codeOf = (error: HelloserverError): string => error.code
export const endOf = (tls: ConnectionTls, proxy: ProxyHeader, frames: Frames) => [tls.protocol, proxy.source?.address, frames.read()]
export const limitOf = (error: unknown) => error instanceof LineTooLongError ? error.limitBytes : 0
export default defineApp<{ greeting: string }>({
  async handle(connection: Connection, context: Context<{ greeting: string }>) {
    const line: Buffer | null = await connection.readLine()
    await connection.write(context.settings.greeting + String(line))
    // @ts-expect-error -- the types are known, so this is a mistake
    await connection.send(line)
  },
})
`,
        },
      })
      await project.program(compiler)
    })
  }

  test('an app in TypeScript is served as it is where Node.js runs it', async (t) => {
    const project = new UserProject(t, installation, {
      node: newerNode(),
      files: {
        'package.json': { type: 'module' },
        'apps/shout/config.json': {},
        'apps/shout/app.ts': answering('one', ': string'),
      },
    })
    await project.do('start')
    assert.equal(await project.answer('shout'), 'one a\r\n')
    project.edit('apps/shout/app.ts', 'one', 'two')
    await project.do('reload')
    assert.equal(await project.answer('shout'), 'two a\r\n')
    project.edit('apps/shout/app.ts', `'two'`, ';')
    assert.match(
      await project.refused(1, 'reload'),
      /keeps serving: .*The app \S+\/apps\/shout\/app\.ts failed to load: Expression expected \(\S+\/apps\/shout\/app\.ts:4\) \(in step "canary"\)$/,
    )
    assert.match(await project.refused(1, 'check'), /app\.ts:4\)$/)
    assert.equal(await project.answer('shout'), 'two a\r\n')
  })

  test('an app in TypeScript is refused with a remedy where Node.js does not run it', async (t) => {
    if (stripsTypes()) {
      t.diagnostic('This Node.js runs it; the unit tests have the line')
      return
    }
    const project = new UserProject(t, installation, {
      files: { 'apps/shout/config.json': {}, 'apps/shout/app.ts': answering('one') },
    })
    assert.match(
      await project.refused(78, 'start'),
      /^shout: Node\.js \S+ cannot run \S+\/apps\/shout\/app\.ts as it is; use Node\.js 22\.18 or newer, or compile it /,
    )
  })

  test('a bundled app runs only when asked for', async (t) => {
    const project = new UserProject(t, installation, {
      files: { 'package.json': {}, 'apps/shout/app.js': '', 'apps/whisper/app.js': '' },
    })
    for (const command of ['start', 'run', 'check', 'restart']) {
      assert.match(
        await project.refused(78, command, '--name', 'shoot'),
        /^shoot: There is no app "shoot" in \S+\/apps, which has shout, whisper; "helloserver init --name shoot" creates it .*"--example echo" runs a bundled app$/,
      )
    }
    assert.match(await project.do('start', '--example', 'echo'), /^echo serves on /)
    assert.equal(await project.answer('echo'), 'a\r\n')
    assert.match(await project.do('check', '--example', 'whois'), /whois\/app\.js loads$/m)
    const { status } = await project.cli(['start', '--example', 'none'])
    assert.equal(status, 2)
  })

  test('a restart from a folder without the app does not stop the service', async (t) => {
    const project = new UserProject(t, installation, {
      files: {
        'package.json': { type: 'module' },
        'apps/shout/config.json': {},
        'apps/shout/app.js': answering('one'),
      },
    })
    await project.do('start')
    const elsewhere = join(project.folder, 'elsewhere')
    mkdirSync(elsewhere)
    project.write('elsewhere/package.json', {})
    const { status } = await project.cli(['restart', '--name', 'shout'], elsewhere)
    assert.equal(status, 78)
    assert.equal(await project.answer('shout'), 'one a\r\n')
  })

  test('a bad app is refused in one line that names the file', async (t) => {
    const project = new UserProject(t, installation, {
      files: {
        'package.json': { type: 'module' },
        'apps/empty/config.json': {},
        'apps/handless/config.json': {},
        'apps/handless/app.js': 'export default {}',
        'apps/lonely/config.json': {},
        'apps/lonely/app.js': `import './gone.js'\nexport default { handle() {} }`,
        'apps/double/config.json': {},
        'apps/double/app.js': answering('one'),
        'apps/double/app.mjs': answering('one'),
        'apps/twice/config.json': {},
        'apps/twice/config.yaml': '',
        'apps/twice/app.js': answering('one'),
      },
    })
    for (const [name, status, problem] of [
      ['empty', 78, /apps\/empty has no app\.ts, app\.js, app\.mjs or app\.cjs;/],
      ['handless', 1, /apps\/handless\/app\.js has no default export with a handle function$/],
      ['lonely', 1, /Cannot find module '\S+\/gone\.js' imported from \S+\/apps\/lonely\/app\.js$/],
      ['double', 78, /apps\/double has app\.js and app\.mjs; remove one/],
      ['twice', 78, /apps\/twice has two configurations, config\.json and config\.yaml;/],
    ] as const) {
      assert.match(await project.refused(status, 'check', '--name', name), problem)
      assert.match(await project.refused(status, 'start', '--name', name), problem)
    }
  })

  for (const [language, node] of [
    ['JavaScript', process.execPath],
    ['TypeScript', newerNode()],
  ] as const) {
    const isTyped = language === 'TypeScript' || stripsTypes()
    test(`a project that init makes in ${language} serves, reloads, tests and stops`, async (t) => {
      const project = new UserProject(t, installation, { node })
      // npm has installed the package to run it, and has described that.
      project.write('package.json', {})
      await project.do('init', '--name', 'shout', '--yes')
      const app = `apps/shout/app.${isTyped ? 'mts' : 'mjs'}`
      assert.ok(existsSync(join(project.folder, app)))
      assert.match(await project.script('start'), /listen +127\.0\.0\.1:\d+/)
      assert.equal(await project.answer('shout'), 'A\r\n')
      await project.script('test')
      project.edit(app, 'toUpperCase()', 'toUpperCase().repeat(2)')
      await project.script('reload')
      assert.equal(await project.answer('shout'), 'A\r\nA\r\n')
      assert.match(await project.script('stop'), /stopped/)
      const { status } = await project.cli(['status'])
      assert.equal(status, 3)
    })
  }

  test('init overwrites nothing, and says what it left', async (t) => {
    const project = new UserProject(t, installation, {
      files: {
        'package.json': { type: 'module', scripts: { test: 'mine' } },
        '.gitignore': 'mine',
        'ecosystem.config.js': 'mine',
      },
    })
    const said = await project.do('init', '--name', 'shout')
    assert.match(said, /^package\.json: added scripts\.start, .*; left scripts\.test as it is$/m)
    assert.match(said, /^\.gitignore: exists, left as it is$/m)
    assert.match(
      said,
      /^To run "shout" under pm2, add service\('shout'\) to ecosystem\.config\.js$/m,
    )
    for (const file of ['.gitignore', 'ecosystem.config.js'])
      assert.equal(project.read(file), 'mine')
    await project.do('check')
  })
})

function compilerSettings(module: string, options: object): object {
  return {
    compilerOptions: {
      module,
      target: 'es2023',
      strict: true,
      skipLibCheck: true,
      types: ['node'],
      typeRoots: [nodeTypes],
      ...options,
    },
    include: ['source'],
  }
}
