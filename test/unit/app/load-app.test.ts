import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { appError, loadApp } from '../../../src/app/load-app.ts'
import { hostileValues } from '../support/hostile-values.ts'
import { tempFolder } from '../support/temp-folder.ts'

function appFile(t: TestContext, source: string): string {
  const path = join(tempFolder(t), 'app.mjs')
  writeFileSync(path, source)
  return path
}

test('the default export of a module is the app', async (t) => {
  const app = await loadApp(appFile(t, 'export default { handle() { return 7 } }'))
  assert.equal(typeof app.handle, 'function')
})

test('a path may have characters that mean something in a URL', async (t) => {
  const path = join(tempFolder(t), 'a b#c%20?.mjs')
  writeFileSync(path, 'export default { handle() {} }')
  await loadApp(path)
})

for (const source of [
  '',
  'export default null',
  'export default function handle() {}',
  'export default {}',
  'export default { handle: 7 }',
  'export const handle = () => {}',
]) {
  test(`a module with ${JSON.stringify(source)} is no app`, async (t) => {
    const path = appFile(t, source)
    await assert.rejects(loadApp(path), {
      code: 'APP_FAILED',
      message: new RegExp(`^The app ${path} has no default export with a handle function(;|$)`),
    })
  })
}

test('an app that a compiler made CommonJS is one level deeper', async (t) => {
  const folder = tempFolder(t)
  const write = (name: string, source: string) => {
    writeFileSync(join(folder, name), source)
    return join(folder, name)
  }
  const compiled = `Object.defineProperty(exports, '__esModule', { value: true })
    exports.default = { handle() {} }`
  for (const path of [
    write('compiled.cjs', compiled),
    write('plain.cjs', 'module.exports = { handle() {} }'),
  ]) {
    assert.equal(typeof (await loadApp(path)).handle, 'function')
  }
})

test('an app that exports handle by name is told so', async (t) => {
  await assert.rejects(loadApp(appFile(t, 'export const handle = () => {}')), {
    message: /; it exports handle by name, so export an object$/,
  })
})

test('a module that is missing is named in one line, with the module that asks for it', async (t) => {
  const folder = tempFolder(t)
  const refused = async (name: string, source: string) => {
    const path = join(folder, name)
    writeFileSync(path, source)
    const error: unknown = await loadApp(path).catch((thrown: unknown) => thrown)
    assert.ok(error instanceof Error)
    return error.message
  }
  assert.equal(
    await refused('a.mjs', `import './gone.mjs'`),
    `The app ${folder}/a.mjs failed to load: Cannot find module '${folder}/gone.mjs' imported from ${folder}/a.mjs`,
  )
  assert.equal(
    await refused('b.cjs', `require('./gone.cjs')`),
    `The app ${folder}/b.cjs failed to load: Cannot find module './gone.cjs' (${folder}/b.cjs:1)`,
  )
  assert.equal(
    await refused('c.cjs', 'module.exports = {\n  handle() { const x = ; }\n}'),
    `The app ${folder}/c.cjs failed to load: Unexpected token ';' (${folder}/c.cjs:2)`,
  )
})

test('an error of several lines becomes one', () => {
  assert.match(appError('It failed', new Error('one\n  two\n')).message, /^It failed: one two \(/)
})

test('an app that throws while it is loaded is refused, with the place', async (t) => {
  const path = appFile(t, '\nthrow new Error("no database")')
  await assert.rejects(loadApp(path), {
    code: 'APP_FAILED',
    message: `The app ${path} failed to load: no database (${path}:2)`,
  })
})

test('an app that cannot be parsed, or is not there, is refused', async (t) => {
  const path = appFile(t, 'export default {')
  // Node.js does not name the place of a syntax error.
  const message = `The app ${path} failed to load: Unexpected end of input`
  await assert.rejects(loadApp(path), { code: 'APP_FAILED', message })
  await assert.rejects(loadApp(join(tempFolder(t), 'none.mjs')), { code: 'APP_FAILED' })
})

test('whatever an app throws becomes a sentence, and is kept as the cause', () => {
  const { message, cause } = appError('The app failed in setup', 'a text')
  assert.deepEqual([message, cause], ['The app failed in setup: a text', 'a text'])
})

test('an error whose properties throw becomes a sentence, too', () => {
  for (const value of hostileValues()) {
    assert.match(appError('The app failed in setup', value).message, /^The app failed in setup: /)
  }
})
