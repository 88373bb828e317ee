import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { ask } from '../helpers/client.ts'
import { isAlive } from '../helpers/processes.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { startIn, startService } from '../helpers/service.ts'

/** No process has this number: Linux stops below it (proc_sys_kernel(5), pid_max). */
const noSuchPid = 4_194_999

test('a second start says who has the lock, and leaves the first alone', async (t) => {
  const service = await startService(t)
  for (const command of ['start', 'run']) {
    const { status, stderr } = await service.cli(command)
    assert.deepEqual(
      [status, stderr],
      [4, `helloserver: Already running as process ${service.pid}\n`],
    )
  }
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  assert.equal(readFileSync(service.sandbox.pidFile, 'utf8'), `${service.pid}\n`)
})

test('services of different names run side by side', async (t) => {
  const service = await startService(t)
  const { status, stdout } = await service.cli('start', '--name', 'second', '--json')
  assert.equal(status, 0)
  const { port, pid } = JSON.parse(stdout) as { port: number; pid: number }
  assert.notEqual(pid, service.pid)
  assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')
  assert.equal((await service.cli('stop', '--name', 'second')).status, 0)
  assert.equal(isAlive(pid), false)
  assert.equal((await ask(service.port, 'b\r\n')).text, 'b\r\n')
})

test('the run directory keeps strangers out', async (t) => {
  const { sandbox } = await startService(t)
  assert.equal(statSync(sandbox.runDir).mode & 0o777, 0o700)
  assert.equal(statSync(sandbox.socketFile).mode & 0o077, 0)
  assert.equal(statSync(sandbox.logFile).mode & 0o077, 0)
})

test('a start after the primary was killed clears up and names the dead', async (t) => {
  const service = await startService(t)
  const { sandbox } = service
  service.signal('SIGKILL')
  await sandbox.allEnded()
  assert.ok(
    existsSync(sandbox.pidFile) && existsSync(sandbox.socketFile),
    'nothing was left to clear',
  )
  assert.equal((await service.cli('status')).status, 3)
  const next = await startIn(sandbox)
  assert.match(
    sandbox.log(),
    new RegExp(`Cleared the files that process ${service.pid} left behind`),
  )
  assert.equal((await ask(next.port, 'a\r\n')).text, 'a\r\n')
})

for (const { starters, isStale } of [
  { starters: 12, isStale: true },
  { starters: 5, isStale: false },
]) {
  const kind = isStale ? 'a stale PID file' : 'no PID file'
  test(`of ${starters} starts at once with ${kind} one wins`, async (t) => {
    const sandbox = new Sandbox(t)
    if (isStale) writeFileSync(sandbox.pidFile, `${noSuchPid}\n`)
    const starts = await Promise.allSettled(Array.from({ length: starters }, () => sandbox.start()))
    const [won, ...others] = starts.flatMap((one) =>
      one.status === 'fulfilled' ? [one.value] : [],
    )
    assert.ok(won?.outcome === 'serving' && won.port !== undefined)
    assert.equal(others.length, 0, `${others.length + 1} have won`)
    for (const lost of starts.flatMap((one) => (one.status === 'rejected' ? [one.reason] : []))) {
      assert.equal(lost.code, 'ALREADY_RUNNING')
      assert.equal(lost.message, `Already running as process ${won.pid}`)
    }
    assert.equal(readFileSync(sandbox.pidFile, 'utf8'), `${won.pid}\n`)
    assert.equal((await ask(won.port, 'a\r\n')).text, 'a\r\n')
    assert.equal(/left behind/.test(sandbox.log()), isStale)
  })
}
