import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Exposition } from '../../../src/metrics/exposition.ts'
import type { StatsTotals, Status } from '../../../src/status.ts'

const histogram = { buckets: [0.001, 0.002], counts: [3, 0, 2], sumSeconds: 9.5 }
const totals: StatsTotals = {
  wait: histogram,
  handling: histogram,
  restarts: {
    exit: 1,
    signal: 0,
    left: 0,
    hung: 2,
    'not-ready': 0,
    'out-of-memory': 0,
    unfit: 0,
    recycled: 0,
  },
  reloads: { done: 4, failed: 1 },
}
const worker = { pid: 5, generation: 1, served: 0, busyMs: null, remote: null, rssBytes: 4_096 }
const status: Status = {
  name: 'test',
  version: '1.2.3',
  build: 'abc',
  state: 'degraded',
  pid: 1,
  rssBytes: 8_192,
  uptimeMs: 1,
  generation: 7,
  listen: { host: '127.0.0.1', port: 1 },
  workers: [
    { ...worker, slot: 1, state: 'busy' },
    { ...worker, slot: 2, pid: null, state: 'backing-off' },
  ],
  queue: { length: 2, max: 10, oldestMs: 1_500 },
  connections: {
    accepted: 18,
    served: 5,
    failed: 1,
    shed: 2,
    expired: 3,
    gone: 4,
    queued: 2,
    active: 1,
  },
  rates: { perSecond: 0, waitMs: null, handlingMs: null },
  lastReload: null,
  drain: null,
  lease: null,
  fleet: null,
  supervisor: { attached: true, pid: 4 },
  events: [],
}

/** The lines of a scrape that are no comment. */
async function linesOf(seen: Partial<Status> = {}): Promise<string[]> {
  const exposition = new Exposition({
    status: () => ({ ...status, ...seen }),
    totals: () => totals,
  })
  return (await exposition.text())
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
}

test('a scrape has the figures by their names and labels', async () => {
  const lines = await linesOf()
  for (const line of [
    `helloserver_build_info{name="test",version="1.2.3",build="abc",node="${process.version}"} 1`,
    'helloserver_state{state="serving"} 0',
    'helloserver_state{state="degraded"} 1',
    'helloserver_connections_accepted_total 18',
    'helloserver_connections_ended_total{outcome="expired"} 3',
    'helloserver_queue_oldest_seconds 1.5',
    'helloserver_workers{state="backing-off"} 1',
    'helloserver_worker_resident_memory_bytes{slot="1"} 4096',
    'helloserver_worker_restarts_total{cause="hung"} 2',
    'helloserver_reloads_total{outcome="failed"} 1',
    'helloserver_supervisor_attached 1',
  ]) {
    assert.ok(lines.includes(line), line)
  }
})

test('buckets hold the smaller ones, too', async () => {
  const name = 'helloserver_connection_wait_seconds'
  const own = (await linesOf()).filter((line) => line.startsWith(name))
  assert.deepEqual(own, [
    `${name}_bucket{le="0.001"} 3`,
    `${name}_bucket{le="0.002"} 3`,
    `${name}_bucket{le="+Inf"} 5`,
    `${name}_sum 9.5`,
    `${name}_count 5`,
  ])
})

test('a metric without a value is missing, and appears with its value', async () => {
  const names = ['last_reload_successful', 'lease_held', 'lease_token', 'lease_valid_seconds']
  const without = await linesOf()
  for (const name of names) assert.ok(!without.some((line) => line.includes(name)), name)
  const lines = await linesOf({
    lastReload: { at: '1970-01-01T00:00:09.000Z', outcome: 'failed', reason: 'x', durationMs: 1 },
    lease: {
      mode: 'exclusive',
      held: true,
      token: 1_700_000_000_001,
      slot: 1,
      validForMs: 2_500,
      holder: 'web1',
      since: null,
      reason: null,
    },
  })
  for (const line of [
    'helloserver_last_reload_successful 0',
    'helloserver_last_reload_timestamp_seconds 9',
    'helloserver_lease_held 1',
    'helloserver_lease_token 1700000000001',
    'helloserver_lease_valid_seconds 2.5',
  ]) {
    assert.ok(lines.includes(line), line)
  }
})

test('one scrape is one look', async () => {
  let looks = 0
  const look = () => {
    looks += 1
    return status
  }
  await new Exposition({ status: look, totals: () => totals }).text()
  assert.equal(looks, 1)
})
