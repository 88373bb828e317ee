import assert from 'node:assert/strict'
import { test } from 'node:test'
import { statusView } from '../../../src/cli/status-view.ts'
import type { Status } from '../../../src/status.ts'
import { drain, statusWith, worker } from '../support/status.ts'

const status = statusWith({
  workers: [
    worker(1, { state: 'busy', served: 12, busyMs: 1_500, remote: '192.0.2.1:5' }),
    worker(2, { pid: null, state: 'backing-off', rssBytes: 0 }),
  ],
  queue: { length: 2, max: 10, oldestMs: 3_000 },
  connections: {
    accepted: 21,
    served: 12,
    failed: 1,
    shed: 2,
    expired: 1,
    gone: 2,
    queued: 2,
    active: 1,
  },
  rates: {
    perSecond: 12.5,
    waitMs: { p50: 0.2, p99: 3 },
    handlingMs: { p50: 1.5, p99: 40 },
  },
  lastReload: { at: '2026-01-01T00:00:00.000Z', outcome: 'failed', reason: 'no', durationMs: 9 },
  supervisor: { attached: true, pid: 99 },
  events: Array.from({ length: 6 }, (_, at) => ({
    seq: at + 1,
    at: `2026-01-01T00:00:0${at}.000Z`,
    kind: 'scaled',
    text: `Scaled to ${at}`,
  })),
})

test('a person sees all that the contract has', () => {
  assert.equal(
    statusView(status).join('\n'),
    `service     whois 1.2.3, build abc
state       serving, generation 4, up 1 min
listen      0.0.0.0:4343
process     100, attached to pm2 by 99
queue       2 of 10, oldest 3 s
connections 21 accepted: 12 served, 1 active, 2 queued
            1 failed, 2 shed, 1 expired, 2 gone
rate        12.5 a second; wait 0.2 ms, 99 % within 3 ms; handling 1.5 ms, 99 % within 40 ms
last reload failed at 2026-01-01T00:00:00.000Z in 9 ms: no

worker  pid  state        generation  served  memory  busy  client
     1  101  busy                  4      12   50 MB   1 s  192.0.2.1:5
     2    -  backing-off           4       0    0 MB     -  -

${[1, 2, 3, 4, 5].map((at) => `2026-01-01T00:00:0${at}.000Z  Scaled to ${at}`).join('\n')}`,
  )
})

test('a drain has a line while it lasts', () => {
  assert.match(
    statusView({ ...status, drain }).join('\n'),
    /^drain +serving the queue: 2 queued, 1 active, 28 s left \(SIGUSR1\)$/m,
  )
})

test('certificates are told by when they expire, the soonest first', () => {
  const at = (endpoint: string, expiresAt: string, serverName: string | null = null) => ({
    endpoint,
    serverName,
    subject: 'CN=x',
    expiresAt,
  })
  const certificates = [
    at('0.0.0.0:43', '2026-03-01T00:00:00.000Z'),
    at('0.0.0.0:44', '2026-01-13T00:00:00.000Z', 'a.example'),
    at('0.0.0.0:43', '2025-12-31T00:00:00.000Z'),
    at('0.0.0.0:45', '2026-05-01T00:00:00.000Z'),
    at('0.0.0.0:46', '2026-05-02T00:00:00.000Z'),
  ]
  const view = statusView({ ...status, certificates }, new Date('2026-01-01T00:00:00.000Z'))
  const from = view.findIndex((line) => line.startsWith('certificate'))
  assert.deepEqual(view.slice(from, from + 5), [
    'certificate 0.0.0.0:43 expired at 2025-12-31T00:00:00.000Z',
    '            a.example at 0.0.0.0:44 expires in 12 d, at 2026-01-13T00:00:00.000Z',
    '            0.0.0.0:43 expires in 59 d, at 2026-03-01T00:00:00.000Z',
    '            2 more, which expire later',
    'process     100, attached to pm2 by 99',
  ])
})

test('a section without content is not shown', () => {
  const quiet: Status = {
    ...status,
    queue: { length: 0, max: 10, oldestMs: 0 },
    rates: { perSecond: 0, waitMs: null, handlingMs: null },
    lastReload: null,
    events: [],
    supervisor: { attached: false, pid: null },
  }
  const view = statusView(quiet).join('\n')
  assert.match(view, /^process +100, without pm2$/m)
  assert.match(view, /^queue +0 of 10$/m)
  assert.match(view, /^last reload none$/m)
  assert.match(view, /^rate +0 a second$/m)
  assert.doesNotMatch(view, /^drain/m)
  assert.doesNotMatch(view, /\n$|Scaled/)
})
