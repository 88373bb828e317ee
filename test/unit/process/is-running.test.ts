import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { isRunning } from '../../../src/process/is-running.ts'
import { waitFor } from '../../helpers/wait-for.ts'

test('a process runs until it has ended, not until somebody has waited for it', async (t) => {
  // The program that replaces the shell does not know of the shell's child, and never waits for it.
  const shell = spawn('/bin/sh', ['-c', 'cat <&3 & echo $!; exec cat'], {
    stdio: ['pipe', 'pipe', 'inherit', 'pipe'],
  })
  t.after(() => shell.kill('SIGKILL'))
  assert.ok(shell.stdout !== null)
  const [line] = (await once(shell.stdout, 'data')) as [Buffer]
  const pid = Number.parseInt(line.toString(), 10)
  assert.equal(isRunning(pid), true)
  process.kill(pid, 'SIGKILL')
  await waitFor('the zombie', () => readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z '))
  assert.equal(isRunning(pid), false)
})

test('a process that is gone does not run', async () => {
  const child = spawn('true')
  await once(child, 'exit')
  assert.equal(isRunning(child.pid ?? 0), false)
})

test('a number that belongs to no process is not running', () => {
  assert.deepEqual([isRunning(0), isRunning(-1)], [false, false])
})

test("somebody else's process runs too", () => {
  assert.equal(isRunning(1), true)
})
