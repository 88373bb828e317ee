import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { workerProtocol } from '../../src/ipc/messages.ts'
import type { ReloadResult } from '../../src/status.ts'
import { ask } from '../helpers/client.ts'
import { stop, tryUpgrade } from '../helpers/commands.ts'
import { signalTo } from '../helpers/processes.ts'
import { ProgramCopy } from '../helpers/program-copy.ts'
import { type Service, startService } from '../helpers/service.ts'
import { failing, held, hesitant, pidIn, successorOf, upgrade } from '../helpers/upgrade.ts'
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

describe('an upgrade that fails changes nothing', { concurrency: 2 }, () => {
  /** Expects that an upgrade fails with these words, and that the old primary goes on as before. */
  async function refused(service: Service, result: ReloadResult, told: RegExp): Promise<void> {
    assert.equal(result.outcome, 'failed')
    assert.match(String(result.reason), told)
    const status = await service.status()
    assert.deepEqual([status.pid, status.state], [service.pid, 'serving'])
    assert.equal(status.lastReload?.outcome, 'failed')
    assert.equal(pidIn(service.sandbox), service.pid)
    assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
    const before = status.workers.flatMap(({ pid }) => (pid === null ? [] : [pid]))
    await waitFor('the old processes alone', () => {
      const now = service.sandbox.processes()
      return now.length === before.length + 1
    })
    assert.notEqual((await upgrade(service)).pid, service.pid)
  }

  test('the app does not load', async (t) => {
    const service = await startService(t, failing)
    service.sandbox.writeApp(`throw new Error('no such table')`)
    const { status, stderr } = await service.cli('upgrade')
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^helloserver: The upgrade failed and the old primary goes on serving: .*no such table/,
    )
    const { lastReload } = await service.status()
    assert.ok(lastReload !== null)
    service.sandbox.writeApp()
    await refused(service, lastReload, /no such table/)
  })

  test('the configuration is bad', async (t) => {
    const service = await startService(t, failing)
    service.sandbox.configure({ workers: 0 })
    const { stderr } = await service.cli('upgrade')
    assert.match(stderr, /workers is 0; it must be/)
    service.sandbox.configure()
    await refused(service, (await service.status()).lastReload as ReloadResult, /workers is 0/)
  })

  test('the program is not there', async (t) => {
    const service = await startService(t, { allow: [...failing.allow, /./] })
    await refused(service, await tryUpgrade(service.sandbox, '/nowhere/primary.js'), /status 1/)
  })

  test('the program throws while it loads', async (t) => {
    const service = await startService(t, { allow: [...failing.allow, /./] })
    const program = new ProgramCopy(t)
    program.break('primary/primary.js', 'broken release')
    await refused(
      service,
      await tryUpgrade(service.sandbox, program.primary),
      /The successor ended before it served \(status 1\); see /,
    )
  })

  test('the program speaks another protocol', async (t) => {
    const service = await startService(t, failing)
    const program = new ProgramCopy(t)
    program.edit('upgrade/messages.js', 'upgradeProtocol = 2', 'upgradeProtocol = 3')
    await refused(
      service,
      await tryUpgrade(service.sandbox, program.primary),
      /speaks upgrade protocol 3, this one 2; use "helloserver restart"/,
    )
  })

  test('the successor dies when it has put itself where people look', async (t) => {
    const service = await startService(t, failing)
    const program = new ProgramCopy(t)
    const publish = 'service.publishControl();'
    program.edit('bin/succeed.js', publish, `${publish} process.kill(process.pid, 'SIGKILL');`)
    await refused(
      service,
      await tryUpgrade(service.sandbox, program.primary),
      /The successor ended before it served \(SIGKILL\)/,
    )
  })

  test('the workers never get ready', async (t) => {
    const service = await startService(t, { ...failing, app: hanging })
    service.sandbox.mark()
    // For the successor only: what is to get ready has as long as it takes.
    service.sandbox.configure({ reload: { readyTimeoutMs: 1_000 } })
    const result = await tryUpgrade(service)
    service.sandbox.configure()
    service.sandbox.writeApp()
    await refused(service, result, /not ready within 1000 ms/)
  })

  test('the successor is killed before it serves', async (t) => {
    const service = await startService(t, { ...failing, app: hanging })
    const before = service.sandbox.processes()
    service.sandbox.mark()
    const upgraded = service.cli('upgrade')
    const successor = await successorOf(service, before)
    await waitFor('its worker', () => service.sandbox.processes().length > before.length + 2)
    signalTo(successor, 'SIGKILL')
    assert.match((await upgraded).stderr, /ended before it served \(SIGKILL\)/)
    const { lastReload } = await service.status()
    service.sandbox.writeApp()
    await refused(service, lastReload as ReloadResult, /SIGKILL/)
  })
})

for (const signal of ['SIGTERM', 'SIGUSR1'] as const) {
  test(`${signal} to a successor that does not serve yet ends that one only`, async (t) => {
    const service = await startService(t, { ...failing, app: hesitant })
    const before = service.sandbox.processes()
    const holder = await held(service)
    service.sandbox.mark()
    const upgraded = service.cli('upgrade')
    const successor = await successorOf(service, before)
    await waitFor('its worker', () => service.sandbox.processes().length > before.length + 2)
    signalTo(successor, signal)
    assert.equal((await upgraded).status, 1)
    await holder.send('a\r\n')
    assert.equal((await holder.ending()).text, 'a\r\n')
    const { state, pid } = await service.status()
    assert.deepEqual({ state, pid }, { state: 'serving', pid: service.pid })
    service.sandbox.unmark()
    assert.notEqual((await upgrade(service)).pid, service.pid)
  })
}

test('a stop while a successor gets ready ends that one, too', async (t) => {
  const service = await startService(t, { ...failing, app: hesitant })
  const before = service.sandbox.processes()
  service.sandbox.mark()
  const upgraded = service.cli('upgrade')
  await successorOf(service, before)
  await stop(service)
  assert.equal((await upgraded).status, 1)
  await service.sandbox.assertNothingLeft()
})

test('a worker of another build than its primary is refused, with what to do', async (t) => {
  const service = await startService(t, failing)
  const program = new ProgramCopy(t)
  assert.equal((await tryUpgrade(service.sandbox, program.primary)).outcome, 'done')
  const other = workerProtocol + 1
  program.edit('ipc/messages.js', `workerProtocol = ${workerProtocol}`, `workerProtocol = ${other}`)
  const { status, stderr } = await service.cli('reload')
  assert.equal(status, 1)
  assert.match(
    stderr,
    new RegExp(
      `The worker on disk speaks protocol ${other}, this primary ${workerProtocol}: use "helloserver upgrade"`,
    ),
  )
  assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
  await upgrade(service)
})
