import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { workerProtocol } from '../../src/ipc/worker-messages.ts'
import type { ReloadResult } from '../../src/status.ts'
import { ask } from '../helpers/client.ts'
import { stop, tryReload, tryUpgrade } from '../helpers/commands.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { type Service, startService } from '../helpers/service.ts'
import { failing, held, pidIn, successorOf, upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Never gets ready once its test has said so. */
const hanging = `import { existsSync } from 'node:fs'
export default {
  async setup() {
    if (existsSync(recordFile)) await new Promise((resolve) => setTimeout(resolve, 1e9))
  },
  async handle(connection) {
    await connection.write((await connection.readLine()) ?? '')
  },
}`

/** Expects that an upgrade fails with these words, and that the old primary goes on as before. */
async function refused(
  service: Service,
  attempt: Promise<ReloadResult>,
  told: RegExp,
): Promise<void> {
  const before = await service.status()
  const result = await attempt
  assert.equal(result.outcome, 'failed')
  assert.match(String(result.reason), told)
  const status = await service.status()
  assert.deepEqual([status.pid, status.state], [before.pid, 'serving'])
  assert.equal(status.lastReload?.outcome, 'failed')
  assert.equal(pidIn(service.sandbox), before.pid)
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  const workers = status.workers.flatMap(({ pid }) => (pid === null ? [] : [pid]))
  await waitFor('the old processes alone', () => {
    const now = service.sandbox.processes()
    return now.length === workers.length + 1
  })
}

/** Upgrades by the command line, which must fail with these words. */
async function byCommand(service: Service, told: RegExp): Promise<ReloadResult> {
  const { status, stderr } = await service.cli('upgrade')
  assert.equal(status, 1)
  assert.match(stderr, told)
  const { lastReload } = await service.status()
  assert.ok(lastReload !== null)
  return lastReload
}

async function upgrades(service: Service): Promise<void> {
  const { pid } = await service.status()
  assert.notEqual((await upgrade(service)).pid, pid)
  await waitFor('the end of the predecessor', () => !isAlive(pid))
}

describe('an upgrade that fails changes nothing', { concurrency: 2 }, () => {
  test('the program does not run', async (t) => {
    const service = await startService(t, { allow: [...failing.allow, /./] })
    await t.test('because it is not there', () =>
      refused(service, tryUpgrade(service.sandbox, '/nowhere/primary.js'), /status 1/),
    )
    await t.test('because it throws while it loads', async () => {
      const program = new ProgramCopy(t)
      program.break('service/start.js', 'broken release')
      await refused(
        service,
        tryUpgrade(service.sandbox, program.primary),
        /The successor ended before it served \(status 1\); see /,
      )
    })
    await upgrades(service)
  })

  test('the deployed code does not serve', async (t) => {
    const service = await startService(t, failing)
    const { sandbox } = service
    await t.test('the app does not load', async () => {
      sandbox.writeApp(`throw new Error('no such table')`)
      const told = /^helloserver: The upgrade failed; the old primary keeps serving: .*no such/
      await refused(service, byCommand(service, told), /no such table/)
      sandbox.writeApp()
    })
    await t.test('the configuration is bad', async () => {
      sandbox.configure({ workers: 0 })
      await refused(service, byCommand(service, /workers is 0; it must be/), /workers is 0/)
      sandbox.configure()
    })
    await t.test('the workers never get ready', async () => {
      sandbox.writeApp(hanging)
      sandbox.mark()
      // For the successor only: what is to get ready has as long as it takes.
      sandbox.configure({ reload: { readyTimeoutMs: 1_000 } })
      await refused(service, tryUpgrade(service), /not ready within 1000 ms/)
      sandbox.configure()
    })
    await t.test('the successor is killed before it serves', async () => {
      const attempt = signalled(service, 'SIGKILL')
      await refused(service, attempt, /ended before it served \(SIGKILL\)/)
    })
    for (const signal of ['SIGTERM', 'SIGUSR1'] as const) {
      await t.test(
        `${signal} to a successor that does not serve yet ends that one only`,
        async () => {
          const holder = await held(service)
          const { pid } = await service.status()
          assert.equal((await signalled(service, signal)).outcome, 'failed')
          await holder.send('a\r\n')
          assert.equal((await holder.ending()).text, 'a\r\n')
          const after = await service.status()
          assert.deepEqual([after.state, after.pid], ['serving', pid])
        },
      )
    }
    await t.test('and once it does, an upgrade is done', async () => {
      sandbox.unmark()
      await upgrades(service)
    })
    await withAnotherProgram(t, service)
    await t.test('a stop while a successor gets ready ends that one, too', async () => {
      const before = sandbox.processes()
      sandbox.writeApp(hanging)
      sandbox.mark()
      const upgraded = tryUpgrade(service).catch(() => ({ outcome: 'failed' }))
      await successorOf(service, before)
      await stop(service)
      assert.equal((await upgraded).outcome, 'failed')
      await sandbox.assertNothingLeft()
    })
  })

  /** An upgrade to what does not get ready, whose successor is sent a signal when it has a worker. */
  async function signalled(service: Service, signal: NodeJS.Signals): Promise<ReloadResult> {
    const { sandbox } = service
    const before = sandbox.processes()
    const upgraded = tryUpgrade(service)
    const successor = await successorOf(service, before)
    await waitFor('its worker', () => sandbox.processes().length >= before.length + 2)
    signalTo(successor, signal)
    return upgraded
  }

  async function withAnotherProgram(t: TestContext, service: Service): Promise<void> {
    const { sandbox } = service
    const program = new ProgramCopy(t)
    /** Changes the program, and undoes that. */
    async function edited(file: string, from: string, to: string, use: () => Promise<void>) {
      program.edit(file, from, to)
      await use()
      program.edit(file, to, from)
    }
    await t.test('the program speaks another protocol', () =>
      edited('upgrade/upgrade-messages.js', 'upgradeProtocol = 2', 'upgradeProtocol = 3', () =>
        refused(
          service,
          tryUpgrade(sandbox, program.primary),
          /speaks upgrade protocol 3, this one 2; use "helloserver restart"/,
        ),
      ),
    )
    const announce = 'predecessor.announceServing(new Inheritance(service));'
    await t.test('the successor fails when it has the listening sockets', () =>
      edited('service/start.js', announce, `throw new Error('the disk is full'); ${announce}`, () =>
        refused(service, tryUpgrade(sandbox, program.primary), /the disk is full/),
      ),
    )
    await t.test('the successor dies when it has put itself where people look', async () => {
      const dying = `process.kill(process.pid, 'SIGKILL'); ${announce}`
      await edited('service/start.js', announce, dying, () =>
        refused(
          service,
          tryUpgrade(sandbox, program.primary),
          /The successor ended before it served \(SIGKILL\)/,
        ),
      )
    })
    await t.test(
      'a worker of another build than its primary is refused, with what to do',
      async () => {
        assert.equal((await tryUpgrade(sandbox, program.primary)).outcome, 'done')
        const other = workerProtocol + 1
        const [from, to] = [`workerProtocol = ${workerProtocol}`, `workerProtocol = ${other}`]
        await edited('ipc/worker-messages.js', from, to, async () => {
          const { outcome, reason } = await tryReload(service)
          assert.equal(outcome, 'failed')
          const told = `The worker on disk speaks protocol ${other}, this primary ${workerProtocol}: use "helloserver upgrade"`
          assert.match(String(reason), new RegExp(told))
          assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
        })
        await upgrades(service)
      },
    )
  }
})
