import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildId, version } from '../../src/build-id.ts'
import { tempFolder } from './support/temp-folder.ts'

test("the version is the package's", () => {
  const file = new URL('../../../package.json', import.meta.url)
  assert.equal(version, (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version)
})

test('a build is known by what its code is, not by when it was written', (t) => {
  const folder = tempFolder(t)
  const app = join(folder, 'app.js')
  writeFileSync(app, 'one')
  const first = buildId(app)
  assert.match(first, /^[0-9a-f]{12}$/)
  utimesSync(app, 1, 1)
  assert.equal(buildId(app), first)
  writeFileSync(app, 'two')
  assert.notEqual(buildId(app), first)
  writeFileSync(app, 'one')
  assert.equal(buildId(app), first)
})

test('code beside the app counts, other files do not', (t) => {
  const folder = tempFolder(t)
  const app = join(folder, 'app.js')
  writeFileSync(app, 'one')
  const first = buildId(app)
  writeFileSync(join(folder, 'records.txt'), 'x')
  assert.equal(buildId(app), first)
  mkdirSync(join(folder, 'parts'))
  writeFileSync(join(folder, 'parts', 'a.js'), 'x')
  assert.notEqual(buildId(app), first)
})
