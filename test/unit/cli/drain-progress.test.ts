import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DrainProgress } from '../../../src/cli/drain-progress.ts'
import type { FleetStatus } from '../../../src/fleet/fleet-status.ts'

/** A wait for a permit, as the service tells of it. */
function waiting(place: number): { drain: null; fleet: FleetStatus } {
  const down = [{ host: 'web1', how: 'dead' }]
  const fleet = { host: 'web2', reason: null }
  return {
    drain: null,
    fleet: { ...fleet, waiting: { for: 'stopping', place, down, reason: null } },
  }
}

test('a line that says nothing new is not shown again', (t) => {
  const { mock } = t.mock.method(process.stderr, 'write', () => true)
  const progress = new DrainProgress('web')
  for (const place of [2, 2, 1, 1, 2]) progress.onProgress(waiting(place))
  const shown = mock.calls.map(({ arguments: [text] }) => /\d\w\w in line/.exec(String(text))?.[0])
  assert.deepEqual(shown, ['2nd in line', '1st in line', '2nd in line'])
})
