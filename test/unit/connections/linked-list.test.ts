import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LinkedList, type Links } from '../../../src/connections/linked-list.ts'

interface Item extends Links<Item> {
  readonly name: number
}

const item = (name: number): Item => ({ name, next: undefined, previous: undefined })
const namesIn = (list: LinkedList<Item>) => [...list].map(({ name }) => name)

test('an array that is told the same has the same in it', () => {
  const anyStep = fc.tuple(fc.constantFrom('append', 'insert', 'remove'), fc.nat({ max: 30 }))
  fc.assert(
    fc.property(fc.array(anyStep, { maxLength: 60 }), (steps) => {
      const list = new LinkedList<Item>()
      const model: Item[] = []
      const removed: Item[] = []
      for (const [name, [what, number]] of steps.entries()) {
        const at = number % (model.length + 1)
        const element = model[at]
        if (what === 'append') {
          const added = item(name)
          list.append(added)
          model.push(added)
        } else if (what === 'insert') {
          const added = item(name)
          list.insertBefore(element, added)
          model.splice(at, 0, added)
        } else if (element !== undefined) {
          assert.equal(list.remove(element), true)
          removed.push(...model.splice(at, 1))
        }
        assert.deepEqual(
          namesIn(list),
          model.map((other) => other.name),
        )
        assert.equal(list.length, model.length)
        assert.equal(list.head, model[0])
        for (const gone of removed) assert.equal(list.remove(gone), false)
      }
    }),
  )
})

test('the element at hand may be taken out while one goes through the list', () => {
  const list = new LinkedList<Item>()
  for (const name of [1, 2, 3]) list.append(item(name))
  const seen: number[] = []
  for (const element of list) {
    seen.push(element.name)
    list.remove(element)
  }
  assert.deepEqual(seen, [1, 2, 3])
  assert.equal(list.length, 0)
})

test('an element that was taken out can be added again', () => {
  const list = new LinkedList<Item>()
  const element = item(1)
  list.append(element)
  list.remove(element)
  list.append(item(2))
  list.append(element)
  assert.deepEqual(namesIn(list), [2, 1])
})
