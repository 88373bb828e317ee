import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { Ledger, ledgerBytes, readLedger } from '../../../src/connections/ledger.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'

/** A ledger, and what the next primary would find in it. */
function opened(t: TestContext) {
  const native = nativeModule()
  const page = native.openPage(ledgerBytes, true, 'ledger')
  if (typeof page === 'number') throw new Error(`openPage: ${page}`)
  t.after(() => native.close(page.fd))
  const ledger = new Ledger(page.memory)
  return { ledger, kept: () => readLedger(page.fd).grants }
}

nativeTest('grants are kept for the next primary once there are any', (t) => {
  const { ledger, kept } = opened(t)
  const one = ledger.openGrants()
  const two = ledger.openGrants()
  assert.deepEqual([one.seen, one.ids], [0, [0, 0]])
  assert.ok(one.nonce > 0 && one.nonce < 2 ** 32)
  assert.notEqual(one.nonce, two.nonce)
  assert.deepEqual(kept(), [], 'nothing was granted yet')
  const first = { ...one, seen: 3, ids: [1, 257] } as const
  ledger.keepGrants(first)
  assert.deepEqual(kept(), [first])
  const later = { ...one, seen: 600, ids: [513, 2 ** 40] } as const
  const other = { ...two, seen: 1, ids: [769, 1_025] } as const
  ledger.keepGrants(later)
  ledger.keepGrants(other)
  assert.deepEqual(kept(), [later, other])
})

nativeTest('grants of a process that has ended are not kept any more, nor kept again', (t) => {
  const { ledger, kept } = opened(t)
  const [one, two] = [ledger.openGrants(), ledger.openGrants()]
  for (const each of [one, two]) ledger.keepGrants({ ...each, ids: [1, 257] })
  ledger.closeGrants(one)
  const nonces = () => kept().map(({ nonce }) => nonce)
  assert.deepEqual(nonces(), [two.nonce])
  ledger.keepGrants({ ...one, ids: [1, 257] })
  assert.deepEqual(nonces(), [two.nonce])
  ledger.closeGrants(one)
  const [three, four] = [ledger.openGrants(), ledger.openGrants()]
  for (const each of [three, four]) ledger.keepGrants(each)
  assert.deepEqual(
    nonces().toSorted((a, b) => a - b),
    [two.nonce, three.nonce, four.nonce].toSorted((a, b) => a - b),
    'its row was free once, not twice',
  )
})

nativeTest('grants of a dead primary are kept again, under their own nonce', (t) => {
  const { ledger, kept } = opened(t)
  const left = { nonce: 4_711, seen: 7, ids: [10, 300] } as const
  assert.equal(ledger.openGrants(left.nonce).nonce, 4_711)
  ledger.keepGrants(left)
  assert.deepEqual(kept(), [left])
})

nativeTest(
  'without a free row there is no nonce, and nothing is kept; each row is free again',
  (t) => {
    const { ledger, kept } = opened(t)
    const all = Array.from({ length: 256 }, () => ledger.openGrants())
    for (const [at, each] of all.entries()) ledger.keepGrants({ ...each, seen: at })
    assert.equal(new Set(all.map(({ nonce }) => nonce)).size, 256)
    assert.equal(kept().length, 256)
    const beyond = ledger.openGrants()
    assert.deepEqual(beyond, { nonce: 0, seen: 0, ids: [0, 0] })
    ledger.keepGrants({ ...beyond, seen: 999 })
    ledger.closeGrants(beyond)
    assert.deepEqual(
      kept().map(({ seen }) => seen),
      Array.from({ length: 256 }, (_, at) => at),
    )
    const [first] = all
    assert.ok(first !== undefined)
    ledger.closeGrants(first)
    assert.equal(kept().length, 255)
    const again = ledger.openGrants()
    assert.ok(again.nonce > 0)
    assert.equal(kept().length, 255, 'what was kept in that row before does not count')
    ledger.keepGrants({ ...again, seen: 888 })
    assert.equal(kept()[0]?.seen, 888)
  },
)
