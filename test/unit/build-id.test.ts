import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildId, programId, version } from '../../src/build-id.ts'
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

test('the scripts that Redis runs are code of the program', (t) => {
  const folder = tempFolder(t)
  const program = join(folder, 'bin', 'primary.js')
  mkdirSync(join(folder, 'redis', 'lua'), { recursive: true })
  const script = join(folder, 'redis', 'lua', 'acquire-lease.lua')
  writeFileSync(script, 'return 1')
  const first = programId(program)
  writeFileSync(script, 'return 2')
  assert.notEqual(programId(program), first)
})

test('folders and links that are named like code are no code', (t) => {
  const folder = tempFolder(t)
  const app = join(folder, 'app.js')
  writeFileSync(app, 'one')
  const first = buildId(app)
  mkdirSync(join(folder, 'chart.js'))
  symlinkSync('nowhere', join(folder, 'dangling.js'))
  symlinkSync('circle.js', join(folder, 'circle.js'))
  symlinkSync('.', join(folder, 'again'))
  assert.equal(buildId(app), first)
  writeFileSync(join(folder, 'chart.js', 'index.js'), 'x')
  assert.notEqual(buildId(app), first)
})

test('code counts through a link', (t) => {
  const folder = tempFolder(t)
  const shared = tempFolder(t)
  const app = join(folder, 'app.js')
  writeFileSync(app, 'one')
  writeFileSync(join(shared, 'a.js'), 'x')
  symlinkSync(shared, join(folder, 'shared'))
  const first = buildId(app)
  writeFileSync(join(shared, 'a.js'), 'y')
  assert.notEqual(buildId(app), first)
})

test('installed packages do not count, code that is only called like them does', (t) => {
  const folder = tempFolder(t)
  const app = join(folder, 'app.js')
  writeFileSync(app, 'one')
  const first = buildId(app)
  mkdirSync(join(folder, 'node_modules', 'x'), { recursive: true })
  writeFileSync(join(folder, 'node_modules', 'x', 'index.js'), 'x')
  assert.equal(buildId(app), first)
  writeFileSync(join(folder, 'my_node_modules.js'), 'x')
  assert.notEqual(buildId(app), first)
})
