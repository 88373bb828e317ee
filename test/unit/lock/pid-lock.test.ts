import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { runFiles } from '../../../src/config/run-dir.ts'
import { holdsLock } from '../../../src/lock/holder.ts'
import { readPid } from '../../../src/lock/pid-file.ts'
import { PidLock } from '../../../src/lock/pid-lock.ts'
import { tempFolder } from '../support/temp-folder.ts'

const alreadyRunning = { code: 'ALREADY_RUNNING' }

const filesIn = (runDir: string, name = 'x') => runFiles(name, { HELLOSERVER_RUN_DIR: runDir })

async function taken(t: TestContext, folder: string) {
  const files = filesIn(folder)
  const lock = await PidLock.take(files)
  t.after(() => lock.release())
  return { files, lock }
}

describe('the PID lock', { concurrency: true }, () => {
  test('a lock is held by one, until it is released', async (t) => {
    const files = filesIn(tempFolder(t))
    const lock = await PidLock.take(files)
    assert.equal(holdsLock(process.pid, files), true)
    await assert.rejects(PidLock.take(files), alreadyRunning)
    lock.release()
    assert.equal(holdsLock(process.pid, files), false)
    const next = await PidLock.take(files)
    next.release()
    next.release()
  })

  test('of many who want it at once, exactly one gets it', async (t) => {
    const files = filesIn(tempFolder(t))
    const all = await Promise.allSettled(Array.from({ length: 20 }, () => PidLock.take(files)))
    const locks = all.flatMap((one): PidLock[] => (one.status === 'fulfilled' ? [one.value] : []))
    assert.equal(locks.length, 1)
    locks[0]?.release()
  })

  test('another name is another lock; another path to the same file is the same', async (t) => {
    const folder = tempFolder(t)
    symlinkSync(folder, join(folder, 'link'))
    await taken(t, folder)
    const other = await PidLock.take(filesIn(folder, 'y'))
    other.release()
    await assert.rejects(PidLock.take(filesIn(join(folder, 'link'))), alreadyRunning)
  })

  test('files that say who holds the lock hold it no more than files that lie', async (t) => {
    const files = filesIn(tempFolder(t))
    for (const path of [files.pidFile, files.lockFile]) writeFileSync(path, '1\n')
    const lock = await PidLock.take(files)
    assert.match(readFileSync(files.lockFile, 'utf8'), new RegExp(`^${process.pid}\n`))
    lock.release()
  })

  test('nobody else can open the lock file, whatever its mode was', async (t) => {
    const files = filesIn(tempFolder(t))
    writeFileSync(files.lockFile, '')
    chmodSync(files.lockFile, 0o644)
    const lock = await PidLock.take(files)
    t.after(() => lock.release())
    assert.equal(statSync(files.lockFile).mode & 0o777, 0o600)
  })

  test('a lock file that is a link is refused', async (t) => {
    const folder = tempFolder(t)
    writeFileSync(join(folder, 'elsewhere'), 'precious')
    symlinkSync(join(folder, 'elsewhere'), join(folder, 'x.lock'))
    await assert.rejects(PidLock.take(filesIn(folder)), {
      code: 'BAD_CONFIG',
      message: /^The lock file ".*x\.lock" is a symbolic link/,
    })
    assert.equal(readFileSync(join(folder, 'elsewhere'), 'utf8'), 'precious')
  })

  test('a lock file that is removed is restored and locked', async (t) => {
    const folder = tempFolder(t)
    const { files, lock } = await taken(t, join(folder))
    assert.equal(await lock.restore(), false)
    rmSync(files.lockFile)
    assert.equal(holdsLock(process.pid, files), true)
    assert.equal(await lock.restore(), true)
    assert.equal(readPid(files.lockFile), process.pid)
    assert.equal(holdsLock(process.pid, files), true)

    rmSync(folder, { recursive: true })
    assert.equal(await lock.restore(), true)
    assert.ok(existsSync(files.lockFile))
    assert.equal(await lock.restore(), false)
    await assert.rejects(PidLock.take(files), alreadyRunning)
  })

  test('a lock that somebody else has by now is not taken back, and not let go', async (t) => {
    const folder = tempFolder(t)
    const run = join(folder, 'run')
    mkdirSync(run, { mode: 0o700 })
    const { files, lock } = await taken(t, run)
    renameSync(run, join(folder, 'moved'))
    mkdirSync(run, { mode: 0o700 })
    const other = await taken(t, run)
    await assert.rejects(lock.restore(), alreadyRunning)
    other.lock.release()
    assert.equal(await lock.restore(), true)
    assert.equal(readPid(files.lockFile), process.pid)
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
})
