import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PendingConnection } from '../../../src/connections/pending-connection.ts'
import { steps, uncounted } from '../../../src/ipc/progress.ts'
import { LooseHandle } from '../support/handles.ts'
import { anywhere } from '../support/pending.ts'
import { BareWorker, stage } from '../support/stage.ts'

const slotCount = 3
const anySlot = fc.nat({ max: slotCount - 1 })
const anyEvent = fc.oneof(
  fc.constant(['accept'] as const),
  fc.tuple(fc.constant('lose' as const), anySlot, fc.boolean()),
  fc.tuple(fc.constant('report' as const), anySlot, fc.constantFrom(...steps)),
  fc.tuple(fc.constant('stray' as const), anySlot, fc.constantFrom(...steps)),
)

test('whatever clients and workers do, nothing is lost, sent twice or left waiting beside an idle worker', () => {
  fc.assert(
    fc.property(fc.array(anyEvent, { maxLength: 120 }), (events) => {
      const { dispatcher, handOff, accounts, queue, report } = stage(4)
      const slots = Array.from({ length: slotCount }, (_, at) => new BareWorker(at + 1))
      const lost = new Set<PendingConnection>()
      for (const slot of slots) handOff.addIdle(slot)
      try {
        for (const event of events) {
          if (event[0] === 'accept') dispatcher.accept(new LooseHandle(), anywhere)
          else {
            const slot = slots[event[1]] as BareWorker
            const connection = slot.inHand
            if (event[0] === 'lose') {
              const isClaimed = event[2]
              if (isClaimed && connection !== undefined) lost.add(connection)
              handOff.lost(
                slot,
                { claimed: isClaimed ? (connection?.id ?? 0) : 0, lastStep: undefined },
                'a test',
              )
              handOff.addIdle(slot)
            } else if (event[0] === 'stray') {
              handOff.progress(slot, {
                step: event[2],
                reason: 'none',
                ...uncounted,
                id: 4_000_000,
              })
            } else if (connection !== undefined) report(slot, event[2])
          }
          assertSound(accounts.counts, slots, queue.length)
          for (const { inHand } of slots) assert.ok(inHand === undefined || !lost.has(inHand))
        }
      } finally {
        queue.close()
      }
    }),
  )
})

function assertSound(
  counts: ReturnType<typeof stage>['accounts']['counts'],
  slots: readonly BareWorker[],
  waiting: number,
): void {
  const { accepted, served, failed, shed, expired, gone, queued, active } = counts
  assert.equal(accepted, served + failed + shed + expired + gone + queued + active)
  assert.equal(queued, waiting)
  const busy = slots.filter(({ inHand }) => inHand !== undefined)
  assert.equal(active, busy.length)
  assert.equal(new Set(busy.map(({ inHand }) => inHand)).size, busy.length)
  assert.ok(waiting === 0 || busy.length === slots.length, 'somebody waits beside an idle worker')
}
