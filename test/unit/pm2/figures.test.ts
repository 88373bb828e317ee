import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LeaseStatus } from '../../../src/lease/lease.ts'
import { figures } from '../../../src/pm2/figures.ts'
import type { Status } from '../../../src/status.ts'
import { statusWith, worker } from '../support/status.ts'

/** What `pm2 monit` has room for on a terminal of 80 by 24: so many rows, each of a name, a blank and its value. */
const rowLength = 15
const vitalRows = 4
const now = new Date('2026-01-01T00:05:00.000Z')

const shown = (changes: Partial<Status>) =>
  Object.fromEntries(figures.map(({ name, value }) => [name, value(statusWith(changes), now)]))

const lease: LeaseStatus = {
  mode: 'exclusive',
  held: false,
  token: null,
  slot: null,
  validForMs: null,
  holder: 'web-2.example.org:/run/b',
  since: null,
  reason: null,
}

test('a service without anything to do has quiet figures', () => {
  assert.deepEqual(shown({}), {
    Now: 'serving g4',
    Busy: '0/2',
    Queue: '0',
    'Conn/s': '0',
    p99: '-',
    Reload: '-',
  })
})

test('one at its limits still fits a small terminal', () => {
  const values = shown({
    state: 'degraded',
    generation: 9,
    workers: Array.from({ length: 1_024 }, (_, slot) => worker(slot, { busyMs: 1 })),
    queue: { length: 10_000, max: 10_000, oldestMs: 29_999 },
    rates: { perSecond: 65_432.1, waitMs: null, handlingMs: { p50: 9_000, p99: 59_999 } },
    lastReload: { at: '2026-01-01T00:00:30.000Z', outcome: 'failed', reason: 'no', durationMs: 1 },
  })
  assert.deepEqual(values, {
    Now: 'degraded g9',
    Busy: '1024/1024',
    Queue: '10000',
    'Conn/s': '65432',
    p99: '59 s',
    Reload: 'failed 4 min',
  })
  for (const [name, value] of Object.entries(values).slice(0, vitalRows)) {
    assert.ok(`${name} ${value}`.length <= rowLength, `${name} ${value}`)
  }
})

test('a host that stands by says who serves', () => {
  const state = (holder: string | null) =>
    shown({ state: 'standby', lease: { ...lease, holder } })['Now']
  assert.equal(state('web-2.example.org:/run/b'), 'by web-2')
  assert.equal(state('192.0.2.7'), 'by 192.0.2…')
  // A tag of pm2's.
  assert.equal(state('{red-fg}x'), 'by red-fgx')
  assert.equal(state(null), 'standby')
  assert.equal(shown({ lease: { ...lease, held: true } })['Now'], 'serving g4')
})
