import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Mutex } from '../../../src/pool/mutex.ts'

test('work is done one after the other, in the order in which it was asked for', async () => {
  const anyWork = fc.tuple(fc.nat({ max: 3 }), fc.boolean())
  await fc.assert(
    fc.asyncProperty(fc.array(anyWork, { maxLength: 10 }), async (all) => {
      const mutex = new Mutex()
      const order: number[] = []
      let atOnce = 0
      const results = all.map(([pauses, fails], number) =>
        mutex.run(async () => {
          atOnce += 1
          assert.equal(atOnce, 1)
          for (let count = 0; count < pauses; count += 1) await Promise.resolve()
          order.push(number)
          atOnce -= 1
          if (fails) throw new Error(`${number} failed`)
          return number
        }),
      )
      const settled = await Promise.allSettled(results)
      assert.deepEqual(order, [...all.keys()])
      for (const [number, result] of settled.entries()) {
        assert.equal(result.status, all[number]?.[1] ? 'rejected' : 'fulfilled')
        if (result.status === 'fulfilled') assert.equal(result.value, number)
      }
    }),
  )
})

test('work that fails at once does not keep what comes after it', async () => {
  const mutex = new Mutex()
  await assert.rejects(
    mutex.run(() => {
      throw new Error('at once')
    }),
    /at once/,
  )
  assert.equal(await mutex.run(async () => 7), 7)
})
