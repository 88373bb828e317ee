import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fleetView } from '../../../src/cli/fleet-view.ts'
import type { FleetView, HostView } from '../../../src/fleet/fleet.ts'
import { permitLine } from '../../../src/fleet/permit-line.ts'

const host: HostView = {
  host: 'web1',
  state: 'serving',
  build: 'aaaaaaaaaaaa',
  version: '1.0.0',
  workers: { busy: 1, total: 4 },
  queue: { length: 3, max: 10 },
  lease: { token: 7, slot: 1 },
  listen: { host: '127.0.0.1', port: 30153 },
  pid: 12,
  lastReload: { at: '2026-01-01T00:00:00.000Z', outcome: 'done', reason: null, durationMs: 5 },
  silentMs: 400,
  permit: null,
}
const view: FleetView = { name: 'test', maxDown: 2, hosts: [host], refusedBuilds: [] }

test('a host is a line', () => {
  const [head, , line] = fleetView(view)
  assert.equal(head, 'test: 1 host; at most 2 may be down at a time')
  assert.match(
    line ?? '',
    /^web1 +serving +aaaaaaaaaaaa +1\.0\.0 +1\/4 +3 +slot 1, token 7 +127\.0\.0\.1:30153 +12 +done at 2026/,
  )
})

test('a problem is shown with the state', () => {
  const stateOf = (changes: Partial<HostView>) =>
    fleetView({ ...view, hosts: [{ ...host, ...changes }] })[2]
  assert.match(stateOf({ state: 'dead', silentMs: 190_000 }) ?? '', /dead, silent for 3 min/)
  assert.match(stateOf({ state: 'stopped', silentMs: 4_000 }) ?? '', /stopped 4 s ago/)
  assert.match(stateOf({ permit: 'waiting' }) ?? '', /serving, waiting for a permit/)
  assert.match(stateOf({ permit: 'reloading' }) ?? '', /serving, reloading/)
})

test('refused builds are told with their reason', () => {
  const refused = { build: 'b2', host: 'web2', reason: 'it threw', at: '2026-01-01T00:00:00.000Z' }
  assert.match(
    fleetView({ ...view, refusedBuilds: [refused] }).join('\n'),
    /\nbuild b2 is refused because it did not get ready on web2 at 2026-.*: it threw$/,
  )
  assert.deepEqual(fleetView({ ...view, hosts: [] }), ['test has no hosts'])
})

test('a place in line is an ordinal', () => {
  const lineOf = (place: number) => permitLine({ for: 'stopping', place, down: [], reason: null })
  assert.deepEqual(
    [1, 2, 3, 4, 11, 12, 13, 21].map((place) => lineOf(place).split(' ')[4]),
    ['1st', '2nd', '3rd', '4th', '11th', '12th', '13th', '21st'],
  )
})
