import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { isStopped, waitUntilStopped } from '../../../src/process/is-stopped.ts'
import { waitFor } from '../../helpers/wait-for.ts'

test('a stopped process does not run, until it is continued', async (t) => {
  const child = spawn(process.execPath, ['-e', `console.log('there'); for (;;);`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => void child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  const pid = child.pid ?? 0
  assert.equal(isStopped(pid), false)
  child.kill('SIGSTOP')
  waitUntilStopped(pid)
  // One that no processor runs stops when its turn comes.
  await waitFor('the stop', () => isStopped(pid))
  child.kill('SIGCONT')
  await waitFor('its going on', () => !isStopped(pid))
})

test('a process that has ended counts as stopped', async () => {
  const child = spawn('true')
  await once(child, 'exit')
  assert.equal(isStopped(child.pid ?? 0), true)
})
