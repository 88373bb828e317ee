import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  constants,
  linkSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { ControlClient } from '../../../src/control/control-client.ts'
import { openOwned, readOwned } from '../../../src/files/trust.ts'
import { tempFolder } from '../support/temp-folder.ts'

const isRoot = process.getuid?.() === 0
const stranger = 54_321

const appending = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT

test('a regular file of the own user is opened, and made for its owner alone', (t) => {
  const path = join(tempFolder(t), 'file')
  const fd = openOwned('log', path, appending)
  writeFileSync(fd, 'a line\n')
  assert.equal(readOwned('log', path), 'a line\n')
})

test('a link is not followed, not even to create what it points at', (t) => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'precious'), 'precious')
  symlinkSync(join(folder, 'precious'), join(folder, 'link'))
  symlinkSync(join(folder, 'nothing'), join(folder, 'dangling'))
  for (const name of ['link', 'dangling']) {
    assert.throws(() => openOwned('log', join(folder, name), appending), {
      code: 'BAD_CONFIG',
      message: new RegExp(`^The log ".*/${name}" is a symbolic link, which is not followed$`),
    })
  }
  assert.equal(readFileSync(join(folder, 'precious'), 'utf8'), 'precious')
})

test('a FIFO holds nobody up', (t) => {
  const path = join(tempFolder(t), 'fifo')
  assert.equal(spawnSync('mkfifo', [path]).status, 0)
  assert.throws(() => readOwned('PID file', path), { message: /is not a regular file$/ })
})

test("a stranger's file is refused, and one that others may write", { skip: !isRoot }, (t) => {
  const path = join(tempFolder(t), 'file')
  writeFileSync(path, '')
  chmodSync(path, 0o666)
  assert.throws(() => readOwned('PID file', path), { message: /can be written by others$/ })
  chmodSync(path, 0o644)
  chownSync(path, stranger, stranger)
  assert.throws(() => readOwned('PID file', path), {
    code: 'BAD_CONFIG',
    message: `The PID file "${path}" belongs to user ${stranger}, not to 0`,
  })
})

/** A socket that counts who connects. */
async function socketIn(t: TestContext, folder: string) {
  const heard = { callers: 0 }
  const server = createServer(() => {
    heard.callers += 1
  }).listen(join(folder, 'x.sock'))
  t.after(() => void server.close())
  await once(server, 'listening')
  return { path: join(folder, 'x.sock'), heard }
}

for (const [what, spoil, problem] of [
  ['that others may write', (path: string) => chmodSync(path, 0o777), /can be written by others$/],
  [
    "that is a stranger's",
    (path: string) => chownSync(path, stranger, stranger),
    /belongs to user 54321, not to 0$/,
  ],
] as const) {
  test(`nobody connects to a socket ${what}`, { skip: !isRoot }, async (t) => {
    const folder = join(tempFolder(t), 'run')
    mkdirSync(folder, { mode: 0o700 })
    const { path, heard } = await socketIn(t, folder)
    spoil(path)
    await assert.rejects(ControlClient.connect(path), { code: 'BAD_CONFIG', message: problem })
    assert.equal(heard.callers, 0)
  })
}

test('nobody connects to a socket in a directory that others may write', async (t) => {
  const folder = tempFolder(t)
  const { path, heard } = await socketIn(t, folder)
  chmodSync(path, 0o700)
  chmodSync(folder, 0o770)
  await assert.rejects(ControlClient.connect(path), {
    code: 'BAD_CONFIG',
    message: /^The directory of the control socket ".*" can be written by others$/,
  })
  assert.equal(heard.callers, 0)
})

test('root follows no hard link, which may lead to any file', { skip: !isRoot }, (t) => {
  const folder = tempFolder(t)
  writeFileSync(join(folder, 'precious'), 'precious', { mode: 0o600 })
  linkSync(join(folder, 'precious'), join(folder, 'log'))
  assert.throws(() => openOwned('log', join(folder, 'log'), appending), {
    code: 'BAD_CONFIG',
    message: /^The log ".*" has another name, a hard link$/,
  })
})
