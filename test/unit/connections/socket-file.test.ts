import assert from 'node:assert/strict'
import { once } from 'node:events'
import { lstatSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Listener } from '../../../src/connections/listener.ts'
import { codeOf } from '../../../src/errors.ts'
import type { SocketHandle } from '../../../src/ipc/socket-handle.ts'
import { waitFor } from '../../helpers/wait-for.ts'
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

test('a listener that closes does not put its socket back', async (t) => {
  const { path, listener, kept } = await unixSocket(t)
  rmSync(path)
  const restored = assert.rejects(async () => kept.putBack(), { code: 'STOPPING' })
  listener.close()
  await restored
  assert.equal(kept.isThere(), true)
  assert.equal(lstatSync(path, { throwIfNoEntry: false }), undefined)
})
