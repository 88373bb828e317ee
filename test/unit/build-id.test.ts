import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { buildId, programId, version } from '../../src/build-id.ts'
import { releaseOnDisk } from '../../src/service/release.ts'
import { otherUid } from '../helpers/other-user.ts'
import { tempFolder } from './support/temp-folder.ts'
import { turnsDuring } from './support/turns.ts'

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
  mkdirSync(join(folder, 'bin'))
  writeFileSync(program, '')
  const script = join(folder, 'redis', 'lua', 'acquire-lease.lua')
  writeFileSync(script, 'return 1')
  const first = programId(program)
  writeFileSync(script, 'return 2')
  assert.notEqual(programId(program), first)
})

test('a program that does not exist has no digest', () => {
  assert.throws(() => programId('/nowhere/primary.js'), { code: 'ENOENT' })
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

test('code that cannot be read does not keep the rest from counting', (t) => {
  const folder = tempFolder(t)
  const app = join(folder, 'app.js')
  const closed = join(folder, 'lost+found')
  mkdirSync(closed)
  writeFileSync(join(closed, 'a.js'), 'x')
  writeFileSync(app, 'one')
  // Reading it fails for every user.
  symlinkSync('/proc/self/mem', join(folder, 'odd.js'))
  const first = buildId(app)
  writeFileSync(app, 'two')
  assert.notEqual(buildId(app), first)
  chmodSync(folder, 0o755)
  chmodSync(closed, 0)
  // That user may be unable to read the program, which can be in root's own folder.
  const program = programId()
  const second = asOrdinaryUser(() => buildId(app, program))
  writeFileSync(app, 'one')
  assert.notEqual(
    asOrdinaryUser(() => buildId(app, program)),
    second,
  )
  chmodSync(closed, 0o700)
})

/** Root may look into every folder. */
function asOrdinaryUser<Result>(act: () => Result): Result {
  if (process.geteuid?.() !== 0) return act()
  process.seteuid?.(otherUid)
  try {
    return act()
  } finally {
    process.seteuid?.(0)
  }
}

test('a large folder holds up nobody while a reload looks at it', async (t) => {
  const folder = tempFolder(t)
  const app = join(folder, 'app.js')
  writeFileSync(app, 'one')
  for (let at = 0; at < 2_000; at += 1) writeFileSync(join(folder, `${at}.js`), '')
  const path = join(folder, 'config.json')
  writeFileSync(path, '{"main":"app.js"}')
  const found = releaseOnDisk('test', { HELLOSERVER_CONFIG: path })
  const turns = await turnsDuring(found)
  assert.ok(turns >= 3, `${turns} turns`)
  assert.equal((await found).build, buildId(app))
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
