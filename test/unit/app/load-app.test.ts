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
      message: `The app ${path} has no default export with a handle function`,
    })
  })
}

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
