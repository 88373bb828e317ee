import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { runFiles } from '../../../src/config/run-dir.ts'
import { signalHolder } from '../../../src/lock/signal-holder.ts'
import { holdLock } from '../support/lock-holder.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('a signal reaches the process that holds the lock', async (t) => {
  const files = runFiles('x', { HELLOSERVER_RUN_DIR: tempFolder(t) })
  const holder = await holdLock(t, files)
  signalHolder(holder.pid ?? 0, files, 'SIGTERM')
  assert.deepEqual(await once(holder, 'exit'), [null, 'SIGTERM'])
})

test('no other process, whatever the files say', async (t) => {
  const files = runFiles('x', { HELLOSERVER_RUN_DIR: tempFolder(t) })
  const other = spawn('sleep', ['60'])
  t.after(() => void other.kill('SIGKILL'))
  for (const path of [files.lockFile, files.pidFile]) writeFileSync(path, `${other.pid}\n`)
  assert.throws(() => signalHolder(other.pid ?? 0, files, 'SIGTERM'), {
    code: 'CONTROL_FAILED',
    message: new RegExp(`^Not sending SIGTERM to process ${other.pid}: it does not hold the lock`),
  })
  other.kill('SIGCONT')
  assert.deepEqual([other.exitCode, other.signalCode], [null, null])
})
