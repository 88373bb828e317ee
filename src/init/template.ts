import { join, relative } from 'node:path'
import type { Dependencies } from './dependencies.ts'
import type { PackageSettings } from './package-file.ts'

export type Language = 'ts' | 'js'

/** The choices that decide the files of a project. */
export interface Project {
  /** The name of the app and its service. */
  readonly name: string
  readonly language: Language
  /** Whether the package says that its files are ES modules. */
  readonly isModule: boolean
  /** The app's folder, relative to the project's. */
  readonly appFolder: string
}

const ecosystemFile = (isModule: boolean) => `ecosystem.config.${isModule ? 'js' : 'cjs'}`

/** The package.json of a new project. */
export function packageSettings(
  { name, language, isModule }: Omit<Project, 'appFolder'>,
  { helloserver, pm2, typescript, nodeTypes }: Dependencies,
): PackageSettings {
  const isTyped = language === 'ts'
  return {
    name: name.toLowerCase(),
    version: '0.0.0',
    private: true,
    type: 'module',
    engines: { node: isTyped ? '>=22.18' : '^20.19 || >=22.12' },
    scripts: {
      start: `helloserver check --name ${name} && pm2 start ${ecosystemFile(isModule)} && helloserver status --name ${name}`,
      dev: `helloserver dev ${name}`,
      reload: `helloserver reload --name ${name}`,
      stop: `pm2 stop ${name}`,
      test: 'node --test',
      ...(isTyped && { types: 'tsc' }),
    },
    dependencies: { helloserver, pm2 },
    ...(isTyped && { devDependencies: { '@types/node': nodeTypes, typescript } }),
  }
}

/**
 * The files of a project besides package.json, by their paths in it.
 *
 * @param hasApp - whether the project has the app already, which is then neither written nor tested
 */
export function projectFiles(project: Project, hasApp = false): Readonly<Record<string, string>> {
  const { name, language, isModule, appFolder } = project
  // With an `m` in front, the extension means an ES module whatever package.json says.
  const extension = isModule ? language : `m${language}`
  const app = join(appFolder, `app.${extension}`)
  const test = `test/${name}.test.${extension}`
  const schema = relative(appFolder, 'node_modules/helloserver/config.schema.json')
  return {
    ...(!hasApp && { [app]: appSource }),
    [join(appFolder, 'config.json')]: json({ $schema: schema, port: 30_153 }),
    [ecosystemFile(isModule)]: isModule ? ecosystemModule(name) : ecosystemCommonJs(name),
    ...(!hasApp && { [test]: testSource(relative('test', app)) }),
    'tsconfig.json': json(compilerSettings(language, appFolder)),
    '.gitignore': 'node_modules/\n*.log\n',
  }
}

const json = (value: object) => `${JSON.stringify(value, null, 2)}\n`

const appSource = `import { defineApp } from 'helloserver'

/** Answers each line in capitals. */
export default defineApp({
  async handle(connection) {
    for await (const line of connection) {
      await connection.write(line.toString('utf8').toUpperCase())
    }
  },
})
`

const ecosystemModule = (name: string) => `import { service } from 'helloserver/pm2'

export const apps = [service('${name}')]
`

const ecosystemCommonJs = (name: string) => `const { service } = require('helloserver/pm2')

exports.apps = [service('${name}')]
`

/** Runs the handler in the test's own process: no service, no port. */
const testSource = (app: string) => `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testApp } from 'helloserver/testing'
import app from '${app}'

test('a line is answered in capitals', async () => {
  const tested = await testApp(app)
  const client = tested.connect()
  await client.write('hello\\r\\n')
  await client.end()
  assert.equal(String(await client.readAll()), 'HELLO\\r\\n')
  assert.equal((await client.outcome).outcome, 'served')
  await tested.close()
})
`

/** For editors, and for the script `types`: Node.js itself reads no such file. */
function compilerSettings(language: Language, appFolder: string): object {
  const [folder = appFolder] = appFolder.split('/')
  return {
    compilerOptions: {
      target: 'es2023',
      lib: ['es2023'],
      module: 'nodenext',
      types: ['node'],
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      verbatimModuleSyntax: true,
      ...(language === 'ts'
        ? { erasableSyntaxOnly: true, allowImportingTsExtensions: true }
        : { allowJs: true, checkJs: true }),
    },
    include: [folder, 'test'],
  }
}
