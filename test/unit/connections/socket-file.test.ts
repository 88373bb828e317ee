import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chownSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Listener } from '../../../src/connections/listener.ts'
import { SocketFile } from '../../../src/connections/socket-file.ts'
import { codeOf, messageOf } from '../../../src/errors.ts'
import type { SocketHandle } from '../../../src/ipc/socket-handle.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { endingListener } from '../support/ending-listener.ts'
import { keptLog } from '../support/kept-log.ts'
import { tempFolder } from '../support/temp-folder.ts'

/** A service's Unix socket, whose connections wait in `handles`. */
async function unixSocket(t: TestContext) {
  const path = join(tempFolder(t), 'public.sock')
  const handles: SocketHandle[] = []
  const listener = new Listener(
    { number: 0, settings: { endpoint: { path }, file: { mode: 0o640 } } },
    { accept: (handle) => handles.push(handle) },
    keptLog().log,
  )
  t.after(() => {
    listener.close()
    for (const handle of handles) handle.close()
  })
  await listener.listen()
  const { kept } = listener
  assert.ok(kept !== undefined)
  return { path, handles, listener, kept }
}

/** Connects; resolves with the code of the error when nobody listens. */
async function connected(t: TestContext, path: string): Promise<unknown> {
  const client = connect(path)
  t.after(() => client.destroy())
  try {
    await once(client, 'connect')
    return 'connected'
  } catch (error) {
    return codeOf(error)
  }
}

test('a socket whose file is gone is put back, and no client that had connected is lost', async (t) => {
  const { path, handles, kept } = await unixSocket(t)
  assert.equal(kept.isThere(), true)
  const early = Array.from({ length: 20 }, () => connected(t, path))
  rmSync(path)
  assert.equal(kept.isThere(), false)
  await kept.putBack()
  assert.equal(kept.isThere(), true)
  assert.equal(lstatSync(path).mode & 0o777, 0o640)
  assert.equal(await connected(t, path), 'connected')
  await Promise.all(early)
  await waitFor('every client', () => handles.length === early.length + 1)
})

test('whatever others have put in its place is left to them', async (t) => {
  const { path, kept } = await unixSocket(t)
  const away = `${path}.away`
  renameSync(path, away)
  writeFileSync(path, 'precious')
  await assert.rejects(async () => kept.putBack(), /a file that is not a socket/)
  assert.equal(readFileSync(path, 'utf8'), 'precious')
  rmSync(path)
  symlinkSync(away, path)
  assert.equal(kept.isThere(), false)
  await assert.rejects(async () => kept.putBack(), /a file that is not a socket/)
  rmSync(path)
  const rival = createServer().listen(path)
  await once(rival, 'listening')
  await assert.rejects(async () => kept.putBack(), { code: 'ADDRESS_TAKEN' })
  assert.equal(await connected(t, away), 'connected')
  rival.close()
  await kept.putBack()
  assert.equal(await connected(t, path), 'connected')
  assert.equal(await connected(t, away), 'ECONNREFUSED')
  rmSync(away)
})

const listenerAt = (path: string) =>
  new Listener(
    { number: 0, settings: { endpoint: { path }, file: { mode: 0o660 } } },
    { accept: () => {} },
    keptLog().log,
  )

test('a folder that is not there may yet come', async (t) => {
  const path = join(tempFolder(t), 'later', 'new.sock')
  await assert.rejects(listenerAt(path).listen(), {
    code: 'ADDRESS_ABSENT',
    message: `Cannot listen on unix:${path}: its folder does not exist`,
  })
})

test('what is at the path of a new socket decides in one line', async (t) => {
  const folder = tempFolder(t)
  const path = join(folder, 'new.sock')
  const listener = () => listenerAt(path)
  const refusal = async (put: () => void) => {
    put()
    const before = lstatSync(path)
    const told = await listener()
      .listen()
      .then(() => 'listens', messageOf)
    assert.deepEqual(lstatSync(path), before)
    rmSync(path, { recursive: true })
    return told
  }
  const noSocket = `Cannot listen on unix:${path}: there is a file that is not a socket`
  assert.equal(await refusal(() => writeFileSync(path, '')), noSocket)
  assert.equal(await refusal(() => mkdirSync(path)), noSocket)
  assert.equal(await refusal(() => symlinkSync('/nowhere', path)), noSocket)
  const stale = createServer().listen(join(folder, 'stale.sock'))
  await once(stale, 'listening')
  renameSync(join(folder, 'stale.sock'), path)
  await new Promise((resolve) => stale.close(resolve))
  if (process.getuid?.() === 0) {
    chownSync(path, 65_534, 65_534)
    const foreign = /the socket there belongs to user 65534; remove it, or use another path$/
    await assert.rejects(listener().listen(), { code: 'BAD_CONFIG', message: foreign })
    chownSync(path, 0, 0)
  }
  const own = listener()
  await own.listen()
  assert.equal(await connected(t, path), 'connected')
  own.close()
})

test('a listener that closes does not put its socket back', async (t) => {
  const { path, listener, kept } = await unixSocket(t)
  rmSync(path)
  const restored = assert.rejects(async () => kept.putBack(), { code: 'STOPPING' })
  listener.close()
  await restored
  assert.equal(kept.isThere(), true)
  assert.equal(lstatSync(path, { throwIfNoEntry: false }), undefined)
})

const isRoot = process.geteuid?.() === 0

test('what another user puts in the place of a socket that is being bound keeps its owner and mode', {
  skip: !isRoot && 'only root can be made to give files away',
}, (t) => {
  const folder = tempFolder(t)
  const victim = join(folder, 'victim')
  writeFileSync(victim, 'secret', { mode: 0o600 })
  const socket = new SocketFile(join(folder, 'new.sock'), keptLog().log)
  const publish = () => socket.publish({ mode: 0o666, owner: 'nobody:nogroup' })
  for (const plant of [
    () => symlinkSync(victim, socket.temporaryPath),
    () => linkSync(victim, socket.temporaryPath),
    () => {
      execFileSync('mkfifo', [socket.temporaryPath])
    },
  ]) {
    plant()
    assert.throws(publish)
    rmSync(socket.temporaryPath)
  }
  const { uid, mode } = lstatSync(victim)
  assert.deepEqual([uid, mode & 0o777], [0, 0o600])
})

test('a socket gets its former owner back when the new one is undone, or left out', {
  skip: !isRoot && 'only root can give a file away',
}, async (t) => {
  const { path, listener } = await unixSocket(t)
  const owner = () => {
    const { uid, gid, mode } = lstatSync(path)
    return [uid, gid, mode & 0o777]
  }
  const before = owner()
  listener.permit({ mode: 0o600, owner: 'nobody:nogroup' })
  assert.deepEqual(owner(), [65_534, 65_534, 0o600])
  listener.permit({ mode: 0o640 })
  assert.deepEqual(owner(), before)
})

test('a program that ends while it is asked whether it listens does not', async (t) => {
  const path = join(tempFolder(t), 'public.sock')
  const end = await endingListener(t, path)
  const { log, lines } = keptLog()
  const prepared = new SocketFile(path, log).prepare({ mode: 0o660 })
  // The question is in the system's queue by now.
  end()
  await prepared
  assert.equal(lines.length, 1)
})
