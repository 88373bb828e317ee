import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { dependencies } from '../../src/init/dependencies.ts'
import { init } from '../../src/init/init.ts'
import { updatePackageFile } from '../../src/init/package-file.ts'
import { packageSettings, projectFiles } from '../../src/init/template.ts'
import { projectFolder } from './support/project-folder.ts'

test('a clone is the source of the projects that it makes, by its path from there', (t) => {
  const { helloserver, ...versions } = dependencies(projectFolder(t, {}))
  assert.match(helloserver, /^file:\.\.?\//)
  for (const version of Object.values(versions)) assert.match(version, /\d/)
})

test('a project in TypeScript has what checks its types; one in JavaScript needs neither', () => {
  const packages = { helloserver: '^1', pm2: '^7', typescript: '^7', nodeTypes: '^20' }
  const project = { name: 'shout', isModule: true }
  const typed = packageSettings({ ...project, language: 'ts' }, packages)
  const plain = packageSettings({ ...project, language: 'js' }, packages)
  assert.deepEqual(typed['dependencies'], { helloserver: '^1', pm2: '^7' })
  assert.deepEqual(plain['dependencies'], typed['dependencies'])
  assert.deepEqual(typed['devDependencies'], { '@types/node': '^20', typescript: '^7' })
  assert.equal(plain['devDependencies'], undefined)
})

test('a package that is no ES module gets files that are ES modules by their names', () => {
  const project = { name: 'shout', appFolder: 'apps/shout', language: 'ts' } as const
  const named = (isModule: boolean) =>
    Object.keys(projectFiles({ ...project, isModule })).filter((file) =>
      /shout\.test|app\.|eco/.test(file),
    )
  assert.deepEqual(named(true), ['apps/shout/app.ts', 'ecosystem.config.js', 'test/shout.test.ts'])
  assert.deepEqual(named(false), [
    'apps/shout/app.mts',
    'ecosystem.config.cjs',
    'test/shout.test.mts',
  ])
})

test('the schema and the app are found from wherever the package keeps its apps', () => {
  const files = projectFiles({
    name: 'x',
    appFolder: 'src/services/x',
    language: 'js',
    isModule: true,
  })
  const config = JSON.parse(files['src/services/x/config.json'] ?? '') as { $schema: string }
  assert.equal(config.$schema, '../../../node_modules/helloserver/config.schema.json')
  assert.match(files['test/x.test.js'] ?? '', /from '\.\.\/src\/services\/x\/app\.js'/)
})

const settings = {
  name: 'new',
  type: 'module',
  scripts: { start: 'new', test: 'new' },
  dependencies: { helloserver: '^1', pm2: '^7' },
}

test('a new package.json has everything', (t) => {
  const root = projectFolder(t, {})
  const change = updatePackageFile(root, () => settings)
  assert.deepEqual(change, { summary: 'written', isModule: true })
  assert.deepEqual(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')), settings)
})

test('an existing package.json is given what it lacks, and keeps all it has, in its own form', (t) => {
  const existing = {
    name: 'old',
    scripts: { test: 'mine' },
    devDependencies: { pm2: '5.4.3' },
    other: [1],
  }
  const root = projectFolder(t, { 'package.json': JSON.stringify(existing, null, '\t') })
  const change = updatePackageFile(root, () => settings)
  assert.deepEqual(change, {
    summary: 'added scripts.start, dependencies.helloserver; left scripts.test as it is',
    isModule: false,
  })
  const text = readFileSync(join(root, 'package.json'), 'utf8')
  assert.match(text, /^\{\n\t"name": "old"/)
  assert.deepEqual(JSON.parse(text), {
    ...existing,
    scripts: { test: 'mine', start: 'new' },
    dependencies: { helloserver: '^1' },
  })
  const again = updatePackageFile(root, () => settings)
  assert.equal(again.summary, 'left scripts.test as it is')
  assert.equal(readFileSync(join(root, 'package.json'), 'utf8'), text)
})

test('an app that is there is left, and no second one is put beside it', async (t) => {
  for (const [files, app] of [
    [{ 'apps/shout/app.mts': 'mine' }, 'app.mts'],
    [{ 'apps/shout/config.json': { main: '../../dist/app.js' } }, '../../dist/app.js'],
  ] as const) {
    const root = projectFolder(t, files)
    const output = t.mock.method(process.stdout, 'write', () => true)
    await init({ folder: root, name: 'shout', yes: true, json: true })
    output.mock.restore()
    const said = JSON.parse(String(output.mock.calls[0]?.arguments[0])) as { left: string[] }
    assert.ok(said.left.includes(join('apps/shout', app)), said.left.join())
    assert.deepEqual(
      readdirSync(join(root, 'apps/shout')).toSorted(),
      [...new Set(['config.json', ...Object.keys(files).map((file) => basename(file))])].toSorted(),
    )
    assert.equal(existsSync(join(root, 'test')), false)
  }
})

test('a package.json may begin with a byte order mark', (t) => {
  const root = projectFolder(t, { 'package.json': '\uFEFF{ "type": "module" }' })
  assert.equal(updatePackageFile(root, () => settings).isModule, true)
})

test('a package.json that is none is refused and left', (t) => {
  for (const text of ['{', '[]', 'null', '{"scripts":"x"}', '{"dependencies":[1]}']) {
    const root = projectFolder(t, { 'package.json': text })
    assert.throws(() => updatePackageFile(root, () => settings), { code: 'BAD_CONFIG' })
    assert.equal(readFileSync(join(root, 'package.json'), 'utf8'), text)
  }
})
