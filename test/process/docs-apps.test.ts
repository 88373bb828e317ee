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

test('the app and the test in docs/apps.md compile in a project of their own, and the test passes', (t) => {
  const folder = tempFolder(t)
  const app = blocks.find((code) => code.includes('defineApp<'))
  const itsTest = blocks.find((code) => code.includes('helloserver/testing'))
  assert.ok(app !== undefined && itsTest !== undefined, 'the examples were not found')
  const write = (path: string, text: string) => {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  write('package.json', '{ "type": "module" }')
  write('apps/greeter/app.ts', app)
  write('apps/greeter/app.test.ts', itsTest)
  write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['apps'] }))
  mkdirSync(join(folder, 'node_modules'))
  symlinkSync(checkout, join(folder, 'node_modules/helloserver'))
  symlinkSync(join(checkout, 'node_modules/@types'), join(folder, 'node_modules/@types'))
  run(process.execPath, [join(checkout, 'node_modules/typescript/bin/tsc'), '-p', folder])
  // Otherwise the runner would take it for a file of its own run, and not report.
  const alone = ['-u', 'NODE_TEST_CONTEXT', process.execPath]
  assert.match(run('env', [...alone, join(folder, 'dist/greeter/app.test.js')]), /^# pass 2$/m)
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
