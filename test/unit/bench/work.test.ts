import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { handlerNamed } from '../../../bench/handlers.ts'
import { perform, workIn } from '../../../bench/work.ts'

test('a line of the load generator asks for no work unless it begins with a prefix', () => {
  const digits = fc.integer({ min: 0, max: 2 ** 40 }).map((n) => n.toString(16).padStart(12, '0'))
  fc.assert(
    fc.property(digits, fc.string(), (number, letters) => {
      assert.equal(workIn(Buffer.from(`${number}${letters}\r\n`)), null)
    }),
  )
})

test("a handler's prefix asks for the work that its name says", () => {
  const kinds = fc.constantFrom('burn' as const, 'wait' as const)
  fc.assert(
    fc.property(kinds, fc.integer({ min: 0, max: 99_999 }), (kind, ms) => {
      const prefix = handlerNamed(`${kind}-${ms}`)?.prefix
      assert.deepEqual(workIn(Buffer.from(`${prefix}0000000000ffAb\r\n`)), { kind, ms })
    }),
  )
})

test('the echo asks for nothing, and other names are no handlers', () => {
  assert.equal(handlerNamed('echo')?.prefix, '')
  for (const name of ['', 'burn', 'burn-', 'burn-x', 'wait-100000', 'echo-1', 'sleep-1']) {
    assert.equal(handlerNamed(name), undefined, name)
  }
})

test('to burn takes the processor time that was asked for', async () => {
  const before = process.cpuUsage()
  await perform({ kind: 'burn', ms: 20 })
  const { user, system } = process.cpuUsage(before)
  assert.ok(user + system >= 20_000)
})
