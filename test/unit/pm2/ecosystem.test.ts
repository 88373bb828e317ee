import assert from 'node:assert/strict'
import { existsSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { ownRoot } from '../../../src/config/locate.ts'
import { type Entry, service } from '../../../src/pm2/ecosystem.ts'
import { settingsProblems } from '../../../src/pm2/settings.ts'
import { projectFolder } from '../support/project-folder.ts'

const esModule = `import { service } from 'helloserver/pm2'\nexport const apps = [service('shout')]\n`
const commonJs = `const { service } = require('helloserver/pm2')\nexports.apps = [service('shout')]\n`

interface EcosystemFile {
  readonly apps: readonly Entry[]
}

/** A project with an app and its configuration, in which helloserver is installed. */
function project(t: TestContext, config: object, files: Record<string, string>): string {
  const root = projectFolder(t, {
    'package.json': { type: 'module' },
    'apps/shout/app.js': 'export default { handle() {} }',
    'apps/shout/config.json': config,
    'node_modules/none': '',
    ...files,
  })
  symlinkSync(ownRoot, join(root, 'node_modules/helloserver'))
  return root
}

/** The one entry of an ecosystem file, which is loaded as pm2 loads it. */
function entryIn(file: string): Entry {
  const { apps } = createRequire(import.meta.url)(file) as EcosystemFile
  assert.ok(apps[0])
  return apps[0]
}

for (const [file, source] of Object.entries({
  'ecosystem.config.js': esModule,
  'ecosystem.config.mjs': esModule,
  'ecosystem.config.cjs': commonJs,
})) {
  test(`${file} has the entry of its project's service, wherever pm2 was started`, (t) => {
    const root = project(t, {}, { [file]: source })
    const { name, cwd, script, exec_mode, instances } = entryIn(join(root, file))
    assert.deepEqual(
      { name, cwd, exec_mode, instances },
      { name: 'shout', cwd: root, exec_mode: 'cluster', instances: 1 },
    )
    assert.equal(script, join(root, 'node_modules/helloserver/dist/src/bin/bridge.cjs'))
    assert.ok(existsSync(script))
  })
}

test('an ES module may also be imported', async (t) => {
  const root = project(t, {}, { 'ecosystem.config.js': esModule })
  const url = pathToFileURL(join(root, 'ecosystem.config.js')).href
  const { apps } = (await import(url)) as EcosystemFile
  assert.equal(apps[0]?.cwd, root)
})

test('the timeouts follow from the configuration, and satisfy the bridge', (t) => {
  const drain = { announceMs: 5_000, timeoutMs: 120_000 }
  const config = { drain, reload: { readyTimeoutMs: 90_000 } }
  const root = project(t, config, { 'ecosystem.config.js': esModule })
  const entry = entryIn(join(root, 'ecosystem.config.js'))
  assert.deepEqual([entry.kill_timeout, entry.listen_timeout], [138_000, 193_000])
  const problems = settingsProblems(
    {
      milliseconds: (setting) => entry[setting],
      isOn: (setting) => entry[setting] === true,
      isLeftAloneOn: (status) => (entry['stop_exit_codes'] as number[]).includes(status),
      isClustered: true,
    },
    { drainAnnounceMs: 5_000, drainTimeoutMs: 120_000, readyTimeoutMs: 90_000 },
  )
  assert.deepEqual(problems, [])
})

test('short drains keep the usual timeouts', (t) => {
  const config = { drain: { timeoutMs: 100 }, reload: { readyTimeoutMs: 100 } }
  const root = project(t, config, { 'ecosystem.config.js': esModule })
  const entry = entryIn(join(root, 'ecosystem.config.js'))
  assert.deepEqual([entry.kill_timeout, entry.listen_timeout], [60_000, 40_000])
})

test('a bad configuration is a warning, since the file must serve to stop the service', async (t) => {
  const root = project(t, { port: 'x' }, { 'ecosystem.config.js': esModule })
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve))
  const entry = entryIn(join(root, 'ecosystem.config.js'))
  assert.equal(entry.kill_timeout, 60_000)
  assert.match(
    (await warned).message,
    /^The ecosystem file's service "shout": Bad configuration in .*port is "x"/,
  )
})

test('a link that leads to the project is kept, so that a deploy can switch it', (t) => {
  const root = project(t, {}, {})
  const current = join(dirname(root), `${root.slice(dirname(root).length + 1)}-current`)
  symlinkSync(root, current)
  const entry = service('shout', { cwd: current })
  assert.deepEqual(
    [entry.cwd, entry.script],
    [current, join(current, 'node_modules/helloserver/dist/src/bin/bridge.cjs')],
  )
})

test('options are passed on; the app of a service may have another name', (t) => {
  const root = project(t, {}, {})
  const options = { cwd: root, app: 'shout', env: { HELLOSERVER_PORT: 7 }, time: true }
  const entry = service('second', { ...options, kill_timeout: 50_000, env_production: { A: 'b' } })
  assert.deepEqual(entry.env, {
    HELLOSERVER_PORT: 7,
    HELLOSERVER_CONFIG: join(root, 'apps/shout/config.json'),
  })
  assert.deepEqual(
    [entry.name, entry['time'], entry.kill_timeout, entry['env_production']],
    ['second', true, 50_000, { A: 'b' }],
  )
})

test('a bad name or option is refused, in a sentence', (t) => {
  const cwd = project(t, {}, {})
  const refuses = (options: object, problem: string) =>
    assert.throws(
      () => service('shout', { cwd, ...options }),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'BAD_CONFIG')
        assert.ok(
          error.message.startsWith(`The ecosystem file's service "shout": ${problem}`),
          error.message,
        )
        return true
      },
    )
  refuses({ evn: {} }, 'evn is not an option; the options are env, cwd, app, ')
  refuses({ instances: 4 }, 'instances is not an option; set "workers" in the configuration')
  refuses({ exec_mode: 'fork' }, 'exec_mode is not an option')
  refuses({ env: 'A=b' }, 'env is "A=b"; it must be an object of variables')
  refuses({ env: { A: {} } }, 'env.A is {}; it must be a text or a number')
  refuses({ env_test: [] }, 'env_test is []; it must be an object of variables')
  refuses({ app: 7 }, 'app is 7; it must be a text')
  refuses({ kill_timeout: '60s' }, 'kill_timeout is "60s"; it must be a number of milliseconds')
  refuses(
    { kill_timeout: 1_600 },
    'kill_timeout is 1600; it must be at least 33000, or pm2 kills the bridge before the drain is over',
  )
  refuses({ env: { 'A=B': '1' } }, `env has a variable "A=B", which is not a name`)
  refuses({ env: { A: 'a\0b' } }, 'env.A has a zero byte, which no variable can have')
  refuses({ env: { A: 1n } }, 'env.A is 1n; it must be a text or a number')
  assert.throws(
    () => service('shout', { cwd, app: '../other' }),
    /^\w+: The app name is "\.\.\/other"/,
  )
  assert.throws(() => service('a/b', { cwd }), { code: 'BAD_CONFIG' })
  for (const [args, problem] of [
    [[], 'The service name is undefined; it must be '],
    [[{ name: 'shout' }], 'The service name is [object Object]; it must be '],
    [['shout', null], `The ecosystem file's service "shout": its options are null; they must be`],
    [
      ['shout', ['x']],
      `The ecosystem file's service "shout": its options are [ 'x' ]; they must be`,
    ],
  ] as const) {
    assert.throws(
      () => (service as (...given: readonly unknown[]) => unknown)(...args),
      (error: Error) => error.message.startsWith(problem),
    )
  }
})
