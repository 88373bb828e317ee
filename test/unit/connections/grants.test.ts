import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Grants } from '../../../src/connections/grants.ts'
import { grantSize } from '../../../src/native/native.ts'

const nonce = 4_711

/** Draws numbers as a dispatcher does that numbers others in between. */
function drawing(between = 1_000) {
  const firsts: number[] = []
  let last = 0
  const draw = (count: number) => {
    const first = last + 1
    last += count + between
    firsts.push(first)
    return first
  }
  return { draw, firsts }
}

/** Sees so many connections, with the numbers that a worker finds in its page; returns these numbers. */
function seeing(grants: Grants, from: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => {
    const { ids } = grants.granted
    const id = (ids[Math.floor((from + at) / grantSize) % 2] ?? 0) + ((from + at) % grantSize)
    assert.ok(grants.isNext(id, nonce), `connection ${from + at} has the number ${id}`)
    grants.see(0, 0)
    return id
  })
}

const fresh = () => new Grants({ nonce, seen: 0, ids: [0, 0] })

test('nothing is granted at first; then twice as many as one grant has', () => {
  const grants = fresh()
  const { draw, firsts } = drawing()
  assert.deepEqual(grants.granted, { count: 0, ids: [0, 0] })
  assert.equal(grants.extend(draw), true)
  assert.deepEqual(firsts, [1, 1_257])
  assert.deepEqual(grants.granted, { count: 2 * grantSize, ids: [1, 1_257] })
  assert.equal(grants.extend(draw), false, 'the worker has used none of them')
  assert.equal(firsts.length, 2)
})

test('only the next number is the next one, with the nonce of its worker', () => {
  const grants = fresh()
  grants.extend(drawing().draw)
  assert.deepEqual(
    [0, 1, 2, 1_257].map((id) => grants.isNext(id, nonce)),
    [false, true, false, false],
  )
  assert.equal(grants.isNext(1, nonce + 1), false)
  assert.equal(grants.isNext(Number.NaN, nonce), false)
  grants.see(0, 0)
  assert.deepEqual(
    [1, 2, 3].map((id) => grants.isNext(id, nonce)),
    [false, true, false],
  )
})

test('numbers follow each other within a grant, through many grants', () => {
  const grants = fresh()
  const { draw, firsts } = drawing()
  const seen: number[] = []
  while (seen.length < 7 * grantSize) {
    grants.extend(draw)
    const ahead = grants.granted.count - seen.length
    assert.ok(ahead > grantSize && ahead <= 2 * grantSize, `${ahead} are granted and not seen`)
    seen.push(...seeing(grants, seen.length, 100))
  }
  const expected = seen.map((_, at) => (firsts[Math.floor(at / grantSize)] ?? 0) + (at % grantSize))
  assert.deepEqual(seen, expected)
  assert.equal(new Set(seen).size, seen.length, 'no two have the same number')
})

test('a grant takes the place of the one before the last only when all of that were seen', () => {
  const grants = fresh()
  const { draw, firsts } = drawing()
  grants.extend(draw)
  seeing(grants, 0, grantSize - 1)
  assert.equal(grants.extend(draw), false, 'its last number is still needed')
  seeing(grants, grantSize - 1, 1)
  assert.equal(grants.extend(draw), true)
  assert.deepEqual(grants.granted, { count: 3 * grantSize, ids: [firsts[2], firsts[1]] })
  seeing(grants, grantSize, 2 * grantSize)
  assert.equal(grants.extend(draw), true)
  assert.equal(grants.granted.count, 5 * grantSize)
  assert.deepEqual(grants.kept, { nonce, seen: 3 * grantSize, ids: [firsts[4], firsts[3]] })
})

test('the count begins again where its 32 bits end, and the numbers go on', () => {
  // It has seen all but the last two grants.
  const seen = 2 ** 32 - 2 * grantSize
  const grants = new Grants({ nonce, seen, ids: [0, 0] })
  const { draw } = drawing(0)
  grants.extend(draw)
  assert.equal(grants.granted.count, 0)
  const [first, second] = grants.granted.ids
  assert.equal(second, first + grantSize)
  assert.equal(seeing(grants, seen, grantSize)[0], first)
  grants.extend(draw)
  assert.equal(grants.granted.count, grantSize)
  seeing(grants, seen + grantSize, 2 * grantSize)
  grants.extend(draw)
  assert.equal(grants.granted.count, 3 * grantSize)
})

test('what a dead primary has granted goes on where it was, and no more is granted', () => {
  const before = fresh()
  const { draw } = drawing()
  before.extend(draw)
  seeing(before, 0, grantSize - 2)
  const grants = new Grants(before.kept)
  assert.equal(grants.granted.count, 0)
  assert.deepEqual(grants.kept, before.kept)
  seeing(grants, grantSize - 2, 4)
  assert.equal(grants.kept.seen, grantSize + 2)
  assert.equal(before.kept.seen, grantSize - 2)
  assert.equal(grants.granted.count, 0)
})
