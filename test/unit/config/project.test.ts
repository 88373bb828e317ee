import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../../src/config/load.ts'
import { appNamesIn, appsFolderOf, located } from '../../../src/config/project.ts'
import { projectFolder } from '../support/project-folder.ts'

test('apps are in the folder beside the nearest package.json upwards', (t) => {
  const root = projectFolder(t, { 'package.json': {}, 'lib/deep/x.js': '' })
  assert.equal(appsFolderOf(join(root, 'lib', 'deep')), join(root, 'apps'))
})

test('a package.json may name another folder', (t) => {
  const root = projectFolder(t, { 'package.json': { helloserver: { apps: 'src/services' } } })
  assert.equal(appsFolderOf(root), join(root, 'src/services'))
})

test('without a package.json, the folder itself is the project', () => {
  assert.equal(appsFolderOf('/proc/self'), '/proc/self/apps')
})

test('a package.json that cannot be read, or names no folder, is refused by its path', (t) => {
  const broken = projectFolder(t, { 'package.json': '{' })
  assert.throws(() => appsFolderOf(broken), {
    code: 'BAD_CONFIG',
    message: new RegExp(`^Cannot read ${broken}/package.json: `),
  })
  const wrong = projectFolder(t, { 'package.json': { helloserver: { apps: 7 } } })
  assert.throws(() => appsFolderOf(wrong), {
    code: 'BAD_CONFIG',
    message: `helloserver.apps in ${wrong}/package.json is 7; it must be the path of the folder of the apps`,
  })
  for (const [settings, problem] of [
    ['src', ` in FILE is "src"; it must be an object, such as { "apps": "src/services" }`],
    [true, ' in FILE is true; it must be an object, such as { "apps": "src/services" }'],
    [{ app: 'src' }, '.app in FILE is not a known key; the only one is helloserver.apps'],
  ] as const) {
    const root = projectFolder(t, { 'package.json': { helloserver: settings } })
    assert.throws(() => appsFolderOf(root), {
      code: 'BAD_CONFIG',
      message: `helloserver${problem.replace('FILE', join(root, 'package.json'))}`,
    })
  }
  for (const harmless of ['null', '[]', '{"helloserver":null}', '\uFEFF{}']) {
    const root = projectFolder(t, { 'package.json': harmless })
    assert.equal(appsFolderOf(root), join(root, 'apps'))
  }
})

test('folders with a configuration or an app are apps, through links too; others are not', (t) => {
  const root = projectFolder(t, {
    'apps/b/config.json': {},
    'apps/a/app.mjs': '',
    'apps/lib/read.js': '',
    'apps/app.ts': '',
    'elsewhere/app.cjs': '',
  })
  symlinkSync(join(root, 'elsewhere'), join(root, 'apps/c'))
  assert.deepEqual(appNamesIn(join(root, 'apps')), ['a', 'b', 'c'])
  assert.deepEqual(appNamesIn(join(root, 'none')), [])
})

test('a service has the configuration of its app, unless the environment names one', (t) => {
  const root = projectFolder(t, { 'package.json': {} })
  assert.deepEqual(located({ HELLOSERVER_PORT: '1' }, 'shout', root), {
    HELLOSERVER_PORT: '1',
    HELLOSERVER_CONFIG: join(root, 'apps/shout/config.json'),
  })
  const named = { HELLOSERVER_CONFIG: '/etc/x.json' }
  assert.equal(located(named, 'shout', root), named)
})

test('a name cannot lead out of the folder of the apps', (t) => {
  const root = projectFolder(t, { 'package.json': {}, 'other/config.json': {} })
  for (const name of ['../other', 'a/b', '', '.', 'a b', 'ü']) {
    assert.throws(() => located({}, name, root), {
      code: 'BAD_CONFIG',
      message: new RegExp(`^The app name is "${name}"; it must be 1 to 64 letters, digits, `),
    })
  }
})

/** Refuses to load the app called `name` of a project; returns the reason. */
function refusal(root: string, name: string): string {
  try {
    loadConfig(name, located({}, name, root))
  } catch (error) {
    assert.ok(error instanceof Error && 'code' in error)
    assert.equal(error.code, 'BAD_CONFIG')
    assert.doesNotMatch(error.message, /\n/)
    return error.message
  }
  return assert.fail('it was loaded')
}

test('a name without an app is refused with the names that there are, and how to make one', (t) => {
  const root = projectFolder(t, {
    'package.json': {},
    'apps/shout/app.js': '',
    'apps/whois/app.js': '',
  })
  assert.equal(
    refusal(root, 'shoot'),
    `There is no app "shoot" in ${root}/apps, which has shout, whois; "helloserver init --name shoot" creates it in the working directory, and "--example echo" runs a bundled app`,
  )
  assert.match(
    refusal(projectFolder(t, { 'package.json': {} }), 'shoot'),
    /\/apps, which does not exist; "helloserver init/,
  )
})

test('of many apps, a few are named; a folder that does not exist is told', (t) => {
  const names = Array.from({ length: 40 }, (_, at) => `app${10 + at}`)
  const files = Object.fromEntries(names.map((name) => [`apps/${name}/app.js`, '']))
  const root = projectFolder(t, { 'package.json': {}, ...files })
  assert.match(refusal(root, 'x'), /, which has app10, (app\d+, ){6}app17 and 32 more; /)
  const empty = projectFolder(t, { 'package.json': { helloserver: { apps: 'gone' } } })
  assert.match(refusal(empty, 'x'), /There is no app "x" in .*\/gone, which does not exist; /)
})

test('an app without a configuration is told what to write; another format is named', (t) => {
  const root = projectFolder(t, {
    'package.json': {},
    'apps/shout/app.js': '',
    'apps/yaml/config.yaml': '',
  })
  assert.equal(
    refusal(root, 'shout'),
    `${root}/apps/shout/config.json does not exist; "{}" in it means the defaults`,
  )
  assert.equal(
    refusal(root, 'yaml'),
    `${root}/apps/yaml/config.yaml is not read; the configuration must be JSON, in config.json`,
  )
})

test('two configurations of one app are refused; a module of that name is none', (t) => {
  const root = projectFolder(t, {
    'package.json': {},
    'apps/two/config.json': {},
    'apps/two/config.yml': '',
    'apps/two/app.js': '',
    'apps/one/config.json': {},
    'apps/one/config.js': '',
    'apps/one/app.js': '',
  })
  assert.equal(
    refusal(root, 'two'),
    `${root}/apps/two has two configurations, config.json and config.yml; only config.json is read, so remove the other`,
  )
  loadConfig('one', located({}, 'one', root))
})
