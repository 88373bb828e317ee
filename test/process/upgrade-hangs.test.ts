import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { tryUpgrade } from '../helpers/commands.ts'
import { isAlive, isStopped, signalTo } from '../helpers/processes.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { Sandbox } from '../helpers/sandbox.ts'
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
    'service/start.js',
    'predecessor.announceServing(new Inheritance(service));',
    `${pause} $&`,
  ],
} as const
type Moment = keyof typeof moments

/** How the old primary is told to end meanwhile; what tells the signals apart is not in the moment. */
const ends: Readonly<Record<Moment, readonly NodeJS.Signals[]>> = {
  'before it has said a word': ['SIGUSR1', 'SIGTERM'],
  'when it has everything': ['SIGUSR1'],
  'when it has the word to serve': ['SIGUSR1', 'SIGTERM'],
  'when people find it, before it says that it serves': ['SIGUSR1'],
}

const allow = [...failing.allow, /The successor hangs/]
const config = { drain: { timeoutMs: 500 } }
/** Each step has this long: the tests wait for it to pass, and a successor on a busy machine must get to its moment. */
const impatient = { ...config, reload: { readyTimeoutMs: 5_000 } }

describe('a successor that hangs holds nobody up', { concurrency: 2 }, () => {
  async function stopped(service: Service, before: readonly number[]): Promise<number> {
    const successor = await successorOf(service, before)
    await waitFor('a successor that hangs', () => isStopped(successor))
    return successor
  }

  /** Has a successor hang at a moment. */
  async function hangingAt<T>(program: ProgramCopy, moment: Moment, use: () => Promise<T>) {
    const [file, from, to] = moments[moment]
    const changed = to.replace('$&', from)
    program.edit(file, from, changed)
    const result = await use()
    program.edit(file, changed, from)
    return result
  }

  test('it is killed, and the old primary goes on', async (t) => {
    const service = await startService(t, { allow, config: impatient })
    const program = new ProgramCopy(t)
    for (const moment of Object.keys(moments) as Moment[]) {
      await t.test(moment, async () => {
        const { outcome, reason } = await hangingAt(program, moment, () =>
          tryUpgrade(service.sandbox, program.primary),
        )
        assert.equal(outcome, 'failed')
        assert.match(String(reason), /not ready within|did not serve within/)
        const { pid, state, workers } = await service.status()
        assert.deepEqual([pid, state], [service.pid, 'serving'])
        assert.equal(pidIn(service.sandbox), service.pid)
        assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
        const known = [pid, ...workers.map((worker) => worker.pid)]
        const isAlone = () => service.sandbox.processes().every((one) => known.includes(one))
        await waitFor('the old processes alone', isAlone)
      })
    }
  })

  test('a signal to the old primary ends both', async (t) => {
    const sandbox = new Sandbox(t, { allow, config })
    const program = new ProgramCopy(t)
    for (const [moment, signals] of Object.entries(ends)) {
      for (const signal of signals) {
        await t.test(`${moment}: ${signal}`, async () => {
          const service = await startIn(sandbox)
          const before = sandbox.processes()
          await hangingAt(program, moment as Moment, async () => {
            const upgraded = tryUpgrade(sandbox, program.primary).catch(() => {})
            await stopped(service, before)
            service.signal(signal)
            await sandbox.assertNothingLeft()
            await upgraded
          })
        })
      }
    }
  })

  test('while it takes over who waits: the old primary ends', async (t) => {
    const service = await startService(t, {
      allow,
      config: { ...impatient, queue: { maxWaitMs: 120_000 } },
    })
    const program = new ProgramCopy(t)
    program.edit(
      'upgrade/predecessor.js',
      'this.#listener?.onConnection(',
      `${pause} this.#listener?.onConnection(`,
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
    await service.sandbox.logged(/The successor hangs and takes over no connections/)
    await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    // It had been given the client, and it has no other owner now.
    signalTo(successor, 'SIGCONT')
    assert.equal((await waiting.ending()).text, 'b\r\n')
  })
})

test('a predecessor', async (t) => {
  const { sandbox, ...first } = await startService(t)
  await t.test(
    'whose successor has died takes every signal, and ends after what it has in hand',
    async () => {
      const service = { sandbox, ...first }
      const holder = await held(service)
      const { pid } = await upgrade(service)
      signalTo(pid, 'SIGKILL')
      await waitFor('its end', () => !isAlive(pid))
      for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGUSR1'] as const) {
        service.signal(signal)
        await sandbox.logged(new RegExp(`"signal":"${signal}","successorPid":${pid}.*has died`))
      }
      await holder.send('a\r\n')
      assert.equal((await holder.ending()).text, 'a\r\n')
      await waitFor('the end of the predecessor', () => !isAlive(service.pid))
      assert.doesNotMatch(service.log(), /Uncaught/)
    },
  )

  sandbox.configure(config)
  await t.test(
    'whose successor has died, and who is told to stop, ends within the time of a drain',
    async () => {
      const service = await startIn(sandbox)
      assert.equal((await ask(service.port, 'b\r\n')).text, 'b\r\n')
      await held(service)
      const { pid } = await upgrade(service)
      signalTo(pid, 'SIGKILL')
      await waitFor('its end', () => !isAlive(pid))
      service.signal('SIGUSR1')
      await waitFor('the end of the predecessor', () => !isAlive(service.pid))
    },
  )

  await t.test('that hangs keeps no stop of its successor waiting', async () => {
    const service = await startIn(sandbox)
    const holder = await held(service)
    await upgrade(service)
    service.signal('SIGSTOP')
    const { status, stderr } = await within('the stop', service.cli('stop'))
    assert.equal(status, 0, stderr)
    // A worker outlives a primary that is killed until it has nothing in hand.
    await holder.send('a\r\n')
    await holder.ending()
    await sandbox.assertNothingLeft()
  })
})
