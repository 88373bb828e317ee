import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fault } from '../../fleet-faults/fault.ts'
import { History } from '../../fleet-faults/history.ts'
import { brokenPromises, isExcused, lateTakeOver, outcomeOf } from '../../fleet-faults/record.ts'

const stays: Fault = { name: 'fault', weight: 1, holder: 'stays', run: async () => {} }
const changes: Fault = { ...stays, holder: 'changes', takeOver: 'by patience' }
const while100 = { fromMs: 0, toMs: 10_000, struckMs: 100, ttlMs: 1_000 }

/** `a` has it until 900, `b` from `fromMs` on. */
function passedAt(fromMs: number): History {
  const history = new History()
  history.say('a', [
    { kind: 'held', atMs: -50, token: 1, untilMs: 1_000 },
    { kind: 'ended', atMs: 900, cause: 'over' },
  ])
  history.say('b', [{ kind: 'held', atMs: fromMs, token: 2, untilMs: fromMs + 1_000 }])
  return history
}

test('figures count from the strike', () => {
  assert.deepEqual(outcomeOf(passedAt(1_400), { fault: changes, ...while100 }), {
    takeOverMs: 1_300,
    gapMs: 500,
    aheadMs: 500,
  })
})

test('a take-over in time is not late, and a late one breaks nothing else', () => {
  assert.equal(lateTakeOver(passedAt(1_400), { fault: changes, ...while100 }), undefined)
  const late = { fault: changes, ...while100 }
  assert.match(lateTakeOver(passedAt(2_000), late) ?? '', /took 1900 ms, at most 1820/)
  assert.deepEqual(brokenPromises(passedAt(2_000), late), [])
})

test('a lease that is to stay must not pass, and one that is to pass must not stay', () => {
  const [passed] = brokenPromises(passedAt(1_400), { fault: stays, ...while100 })
  assert.match(passed ?? '', /did not stay/)
  const before = { ...while100, toMs: 50, struckMs: undefined }
  assert.deepEqual(brokenPromises(passedAt(1_400), { fault: stays, ...before }), [])
  assert.match(
    brokenPromises(passedAt(1_400), { fault: changes, ...before })[0] ?? '',
    /nobody took over/,
  )
})

test('only whoever could do nothing need not have known', () => {
  const unaware = { wrong: 'unaware', atMs: 500, story: '' } as const
  const stunned = { fault: { ...changes, isStunned: true }, ...while100 }
  assert.equal(isExcused(unaware, [stunned]), true)
  assert.equal(isExcused(unaware, [{ fault: changes, ...while100 }]), false)
  assert.equal(isExcused({ ...unaware, atMs: 10_001 }, [stunned]), false)
  assert.equal(isExcused({ ...unaware, wrong: 'overlap' }, [stunned]), false)
})
