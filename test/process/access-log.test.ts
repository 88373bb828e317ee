import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { signalTo } from '../helpers/processes.ts'
import type { Settings } from '../helpers/sandbox.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { held, upgrade } from '../helpers/upgrade.ts'
import { waitFor } from '../helpers/wait-for.ts'

const on = { log: { access: true } }

/** The access lines so far. */
const linesOf = (service: Service): Settings[] =>
  service
    .log()
    .split('\n')
    .filter((line) => line.includes('"kind":"access"'))
    .map((line) => JSON.parse(line) as Settings)

/** Waits for the line of a client's connection. */
const lineOf = (service: Service, { address }: Client) =>
  waitFor(`the line of ${address}`, () => linesOf(service).find(({ peer }) => peer === address))

describe('the access log', { concurrency: 2 }, () => {
  test('is off by default, and a reload turns it on and off', async (t) => {
    const service = await startService(t)
    await ask(service.port, 'off\r\n')
    service.sandbox.configure(on)
    await reload(service)
    await ask(service.port, 'on\r\n')
    await counted(service, { served: 2 })
    service.sandbox.configure()
    await reload(service)
    await ask(service.port, 'off\r\n')
    await counted(service, { served: 3 })
    assert.deepEqual(
      linesOf(service).map(({ connection }) => connection),
      [2],
    )
  })

  test('says who was served, by whom, how many bytes went and how long it took', async (t) => {
    const service = await startService(t, { config: on })
    const client = await Client.connect(service.port)
    await client.send('hello\r\n')
    await client.ending()
    const { waitMs, handlingMs, ...line } = await lineOf(service, client)
    const { level, connection, outcome, reason, worker, bytesIn, bytesOut } = line
    assert.deepEqual([level, connection, outcome, reason], ['info', 1, 'served', null])
    assert.deepEqual([worker, bytesIn, bytesOut], [1, 7, 7])
    assert.ok(Number(waitMs) >= 0 && Number(handlingMs) > 0)
  })

  test('has one line for each connection, however it ends', async (t) => {
    const limits = { queue: { max: 2, maxWaitMs: 300 }, connection: { readTimeoutMs: 2_000 } }
    const service = await startService(t, { config: { ...on, ...limits } })
    const mute = await held(service)
    const late = await Client.connect(service.port)
    const leaver = await Client.connect(service.port)
    await counted(service, { queued: 2 })
    const shed = await Client.connect(service.port)
    await counted(service, { shed: 1 })
    leaver.reset()
    assert.equal((await lineOf(service, late))['outcome'], 'expired')
    const timedOut = await lineOf(service, mute)
    assert.deepEqual(
      [timedOut['outcome'], timedOut['reason'], timedOut['bytesIn']],
      ['failed', 'read-timeout', 0],
    )
    const turnedAway = await lineOf(service, shed)
    assert.deepEqual(
      [turnedAway['outcome'], turnedAway['worker'], turnedAway['bytesIn']],
      ['shed', null, null],
    )
    const victim = await held(service)
    const [pid] = await workerPids(service)
    signalTo(pid ?? 0, 'SIGKILL')
    const lost = await lineOf(service, victim)
    assert.deepEqual(
      [lost['outcome'], lost['reason'], lost['worker'], lost['bytesIn']],
      ['failed', 'worker-died', 1, null],
    )
    const { connections } = await counted(service, { active: 0, queued: 0 })
    const lines = linesOf(service)
    for (const outcome of ['served', 'failed', 'shed', 'expired', 'gone'] as const) {
      const count = lines.filter((line) => line['outcome'] === outcome).length
      assert.equal(count, connections[outcome], outcome)
    }
    assert.deepEqual(
      lines.map(({ connection }) => Number(connection)).toSorted((a, b) => a - b),
      [1, 2, 3, 4, 5],
    )
  })

  test('has one line for who waited in an upgrade, too', async (t) => {
    const service = await startService(t, { config: on })
    const holder = await held(service)
    const waiting = await Client.connect(service.port)
    await counted(service, { queued: 1 })
    await upgrade(service)
    for (const client of [waiting, holder]) {
      await client.send('x\r\n')
      await client.ending()
      assert.equal((await lineOf(service, client))['outcome'], 'served')
    }
    assert.equal(linesOf(service).length, 2)
  })
})
