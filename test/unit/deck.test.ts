import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deal } from '../helpers/deck.ts'
import { randomFrom } from '../helpers/random.ts'

const event = (name: string, weight: number) => ({ name, weight })
const all = [event('a', 1), event('b', 2), event('c', 3)]

/** The names of the first events of a seed. */
function first(count: number, seed: number): string[] {
  const sequence = deal(all, randomFrom(seed))
  return Array.from({ length: count }, () => sequence.next().value.name)
}

test('the same seed deals the same sequence', () => {
  assert.deepEqual(first(60, 7), first(60, 7))
  assert.notDeepEqual(first(60, 7), first(60, 8))
})

test('each event comes as often as its weight says', () => {
  assert.deepEqual(first(6, 1).toSorted(), ['a', 'b', 'b', 'c', 'c', 'c'])
})
