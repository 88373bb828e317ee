import assert from 'node:assert/strict'
import {
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { replaceFile } from '../../../src/files/replace-file.ts'

const isRoot = process.geteuid?.() === 0
const cursor = { what: 'the log cursor', text: 'text\n', mode: 0o600 }

function newFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'hs-unit-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return folder
}

test('a file that is replaced has its text, its mode and nothing beside it', (t) => {
  const folder = newFolder(t)
  const path = join(folder, 'file')
  for (const text of ['first\n', 'second\n']) replaceFile(path, { ...cursor, text })
  assert.equal(readFileSync(path, 'utf8'), 'second\n')
  assert.equal(lstatSync(path).mode & 0o777, 0o600)
  assert.deepEqual(readdirSync(folder), ['file'])
})

test('a link in its place is replaced, and its target stays as it is', (t) => {
  const folder = newFolder(t)
  replaceFile(join(folder, 'target'), { ...cursor, text: 'target\n' })
  symlinkSync('target', join(folder, 'file'))
  replaceFile(join(folder, 'file'), cursor)
  assert.ok(lstatSync(join(folder, 'file')).isFile())
  assert.equal(readFileSync(join(folder, 'target'), 'utf8'), 'target\n')
})

test("what root writes into a user's folder belongs to that user", {
  skip: !isRoot && 'only root can give a file away',
}, (t) => {
  const folder = newFolder(t)
  chownSync(folder, 65_534, 65_534)
  replaceFile(join(folder, 'file'), cursor)
  const { uid, gid } = lstatSync(join(folder, 'file'))
  assert.deepEqual([uid, gid], [65_534, 65_534])
})

test('what cannot be replaced leaves nothing beside it', (t) => {
  const folder = newFolder(t)
  mkdirSync(join(folder, 'file', 'inner'), { recursive: true })
  assert.throws(() => replaceFile(join(folder, 'file'), cursor), { code: 'ENOTEMPTY' })
  assert.deepEqual(readdirSync(folder), ['file'])
})

test('a folder that is not there is named in the error', (t) => {
  const path = join(newFolder(t), 'gone', 'file')
  assert.throws(() => replaceFile(path, cursor), /Cannot write the log cursor.*gone/)
})
