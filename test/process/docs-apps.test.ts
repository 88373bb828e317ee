import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { run } from '../helpers/run.ts'
import { tempFolder } from '../unit/support/temp-folder.ts'

const checkout = fileURLToPath(new URL('../../..', import.meta.url))
const blocks = [
  ...readFileSync(join(checkout, 'docs/apps.md'), 'utf8').matchAll(/^```ts\n(.*?)^```/gms),
].map(([, code = '']) => code)

/** The example that has all of these words. */
function example(...words: string[]): string {
  const found = blocks.find((code) => words.every((word) => code.includes(word)))
  assert.ok(found !== undefined, `there is no example with ${words.join(' and ')}`)
  return found
}

test('the apps and the tests in docs/apps.md compile in a project of their own, and the tests pass', (t) => {
  const folder = tempFolder(t)
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  write('package.json', '{ "type": "module" }')
  write('apps/greeter/app.ts', example('export default defineApp<'))
  write('apps/greeter/app.test.ts', example('testApp(greeter'))
  write('apps/mail/app.ts', example('export default defineApp(', 'connection.startTls()'))
  write('apps/mail/app.test.ts', example('testApp(mail'))
  write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['apps'] }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(checkout, join(folder, 'node_modules/helloserver'))
  symlinkSync(join(checkout, 'node_modules/@types'), join(folder, 'node_modules/@types'))
  run(process.execPath, [join(checkout, 'node_modules/typescript/bin/tsc'), '-p', folder])
  // Otherwise the runner would take it for a file of its own run, and not report.
  const alone = ['-u', 'NODE_TEST_CONTEXT', process.execPath]
  const passed = (app: string) => run('env', [...alone, join(folder, `dist/${app}/app.test.js`)])
  assert.match(passed('greeter'), /^# pass 2$/m)
  assert.match(passed('mail'), /^# pass 1$/m)
})

const compilerOptions = {
  target: 'es2022',
  module: 'nodenext',
  types: ['node'],
  strict: true,
  exactOptionalPropertyTypes: true,
  rewriteRelativeImportExtensions: true,
  skipLibCheck: false,
  rootDir: 'apps',
  outDir: 'dist',
}
