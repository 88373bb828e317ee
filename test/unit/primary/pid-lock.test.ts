import assert from 'node:assert/strict'
import { symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type PidLock, readPid, takePidLock } from '../../../src/primary/pid-lock.ts'
import { tempFolder } from '../support/temp-folder.ts'

const alreadyRunning = {
  code: 'ALREADY_RUNNING',
  message: `Already running as process ${process.pid}`,
}

test('a lock is held by one, who is named to the others, until it is released', async (t) => {
  const pidFile = join(tempFolder(t), 'x.pid')
  const lock = await takePidLock(pidFile)
  await assert.rejects(takePidLock(pidFile), alreadyRunning)
  lock.release()
  const next = await takePidLock(pidFile)
  next.release()
  next.release()
})

test('of many who want it at once, exactly one gets it', async (t) => {
  const pidFile = join(tempFolder(t), 'x.pid')
  const all = await Promise.allSettled(Array.from({ length: 20 }, () => takePidLock(pidFile)))
  const locks = all.flatMap((one): PidLock[] => (one.status === 'fulfilled' ? [one.value] : []))
  assert.equal(locks.length, 1)
  locks[0]?.release()
})

test('another name is another lock; another path to the same file is the same', async (t) => {
  const folder = tempFolder(t)
  symlinkSync(folder, join(folder, 'link'))
  const lock = await takePidLock(join(folder, 'x.pid'))
  t.after(() => lock.release())
  const other = await takePidLock(join(folder, 'y.pid'))
  other.release()
  await assert.rejects(takePidLock(join(folder, 'link', 'x.pid')), alreadyRunning)
})

test('a file that says who holds the lock holds it no more than a file that lies', async (t) => {
  const pidFile = join(tempFolder(t), 'x.pid')
  writeFileSync(pidFile, `${process.pid}\n`)
  const lock = await takePidLock(pidFile)
  lock.release()
})

test('the PID is read from the first line, or not at all', (t) => {
  const pidFile = join(tempFolder(t), 'x.pid')
  assert.equal(readPid(pidFile), undefined)
  for (const [content, pid] of [
    ['123\n', 123],
    ['123', 123],
    ['', undefined],
    ['x\n', undefined],
    ['0\n', undefined],
    ['-5\n', undefined],
  ] as const) {
    writeFileSync(pidFile, content)
    assert.equal(readPid(pidFile), pid, JSON.stringify(content))
  }
})
