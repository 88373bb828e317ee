import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { tryUpgrade } from '../helpers/commands.ts'
import { isAlive, isStopped, signalTo } from '../helpers/processes.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { counted, type Service, startIn, startService } from '../helpers/service.ts'
import { failing, held, pidIn, successorOf, upgrade } from '../helpers/upgrade.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

const pause = `process.kill(process.pid, 'SIGSTOP');`

/** Where a successor stops for good: a file of it, and the statement before or after. */
const moments = {
  'before it has said a word': ['bin/succeed.js', 'process.umask(0o077);', `${pause} $&`],
  'when it has everything': [
    'upgrade/predecessor.js',
    `this.#tell({ kind: 'holding' });`,
    `${pause} $&`,
  ],
  'when it has the word to serve': ['upgrade/predecessor.js', 'this.#go.resolve', `${pause} $&`],
  'when people find it, before it says that it serves': [
    'bin/succeed.js',
    'service.publishControl();',
    `$& ${pause}`,
  ],
} as const
type Moment = keyof typeof moments

const allow = [...failing.allow, /The successor hangs/]
const config = { drain: { timeoutMs: 500 } }
/** Each step has this long: the tests wait for it to pass, and a successor on a busy machine must get to its moment. */
const impatient = { ...config, reload: { readyTimeoutMs: 5_000 } }

describe('a successor that hangs holds nobody up', { concurrency: 2 }, () => {
  function hanging(program: ProgramCopy, moment: Moment): void {
    const [file, from, to] = moments[moment]
    program.edit(file, from, to.replace('$&', from))
  }

  async function stopped(service: Service, before: readonly number[]): Promise<number> {
    const successor = await successorOf(service, before)
    await waitFor('a successor that hangs', () => isStopped(successor))
    return successor
  }

  for (const moment of Object.keys(moments) as Moment[]) {
    test(`${moment}: it is killed, and the old primary goes on`, async (t) => {
      const service = await startService(t, { allow, config: impatient })
      const program = new ProgramCopy(t)
      hanging(program, moment)
      const before = service.sandbox.processes()
      const { outcome, reason } = await tryUpgrade(service.sandbox, program.primary)
      assert.equal(outcome, 'failed')
      assert.match(String(reason), /not ready within|did not serve within/)
      const { pid, state } = await service.status()
      assert.deepEqual([pid, state], [service.pid, 'serving'])
      assert.equal(pidIn(service.sandbox), service.pid)
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
      const isAlone = () => service.sandbox.processes().length === before.length
      await waitFor('the old processes alone', isAlone)
    })

    for (const signal of ['SIGUSR1', 'SIGTERM'] as const) {
      test(`${moment}: ${signal} to the old primary ends both`, async (t) => {
        const service = await startService(t, { allow, config })
        const program = new ProgramCopy(t)
        hanging(program, moment)
        const before = service.sandbox.processes()
        const upgraded = tryUpgrade(service.sandbox, program.primary).catch(() => {})
        await stopped(service, before)
        service.signal(signal)
        await service.sandbox.assertNothingLeft()
        await upgraded
      })
    }
  }

  test('while it takes over who waits: the old primary ends', async (t) => {
    const service = await startService(t, {
      allow,
      config: { ...impatient, queue: { maxWaitMs: 120_000 } },
    })
    const program = new ProgramCopy(t)
    program.edit(
      'upgrade/predecessor.js',
      'this.#audience?.onConnection(',
      `${pause} this.#audience?.onConnection(`,
    )
    const holder = await held(service)
    const waiting = await Client.connect(service.port)
    await waiting.send('b\r\n')
    await counted(service, { queued: 1 })
    const before = service.sandbox.processes()
    const upgraded = tryUpgrade(service.sandbox, program.primary)
    const successor = await stopped(service, before)
    await upgraded.catch(() => {})
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await service.sandbox.logged(/The successor hangs, and takes nobody over/)
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    // It had been given the client, and it has no other owner now.
    signalTo(successor, 'SIGCONT')
    assert.equal((await waiting.ending()).text, 'b\r\n')
  })
})

describe('a predecessor', { concurrency: 2 }, () => {
  test('whose successor has died takes every signal, and ends after what it has in hand', async (t) => {
    const service = await startService(t)
    const holder = await held(service)
    const { pid } = await upgrade(service)
    signalTo(pid, 'SIGKILL')
    await waitFor('its end', () => !isAlive(pid))
    for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGUSR1'] as const) {
      service.signal(signal)
      await service.sandbox.logged(
        new RegExp(`"signal":"${signal}","successorPid":${pid}.*has died`),
      )
    }
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    assert.doesNotMatch(service.log(), /Uncaught/)
    const next = await startIn(service.sandbox)
    assert.equal((await ask(next.port, 'b\r\n')).text, 'b\r\n')
  })

  test('whose successor has died, and who is told to stop, ends within the time of a drain', async (t) => {
    const service = await startService(t, { config })
    await held(service)
    const { pid } = await upgrade(service)
    signalTo(pid, 'SIGKILL')
    await waitFor('its end', () => !isAlive(pid))
    service.signal('SIGUSR1')
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    await startIn(service.sandbox)
  })

  test('that hangs keeps no stop of its successor waiting', async (t) => {
    const service = await startService(t, { config })
    const holder = await held(service)
    await upgrade(service)
    service.signal('SIGSTOP')
    const { status, stderr } = await within('the stop', service.cli('stop'))
    assert.equal(status, 0, stderr)
    // A worker outlives a primary that is killed until it has nothing in hand.
    await holder.send('a\r\n')
    await holder.ending()
    await service.sandbox.assertNothingLeft()
  })
})
