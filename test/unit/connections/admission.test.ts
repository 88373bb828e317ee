import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Admission } from '../../../src/connections/admission.ts'
import { RateLimit } from '../../../src/connections/rate-limit.ts'

function admission(access: { allow?: string[]; deny?: string[]; maxPerSecond?: number }) {
  const made = new Admission(new RateLimit(() => 0))
  made.apply({ access: { allow: [], deny: [], maxPerSecond: 0, ...access } })
  return made
}

test('without lists and limits everybody is let in, and no address is asked for', () => {
  const made = admission({})
  assert.equal(made.isOpen, true)
  assert.equal(made.refusalOf('192.0.2.1'), undefined)
  assert.equal(admission({ deny: ['192.0.2.1'] }).isOpen, false)
})

test('an address that is denied is refused, even if it is allowed as well', () => {
  const made = admission({
    allow: ['192.0.2.0/24', '2001:db8::/32', '::ffff:203.0.113.0/120'],
    deny: ['192.0.2.128/25', '2001:db8:0:f::/64'],
  })
  for (const [address, refusal] of [
    ['192.0.2.1', undefined],
    ['192.0.2.127', undefined],
    ['192.0.2.128', 'denied'],
    ['198.51.100.1', 'denied'],
    ['2001:db8::7', undefined],
    ['2001:db9::7', 'denied'],
    ['2001:db8:0:f:1::', 'denied'],
    ['2001:db8:0:e:ffff::', undefined],
    // Both spellings of an IPv4 network are for the addresses that IPv4 clients have.
    ['203.0.113.9', undefined],
    ['fe80::1%eth0', 'denied'],
  ] as const) {
    assert.equal(made.refusalOf(address), refusal, address)
  }
})

test('a network of one family has no addresses of the other', () => {
  for (const [network, within, beside] of [
    ['::/0', '2001:db8::1', '192.0.2.1'],
    ['::/64', '::1', '192.0.2.1'],
    ['0.0.0.0/0', '192.0.2.1', '2001:db8::1'],
    ['::ffff:0.0.0.0/96', '192.0.2.1', '2001:db8::1'],
  ] as const) {
    const denied = admission({ deny: [network] })
    assert.equal(denied.refusalOf(within), 'denied', network)
    assert.equal(denied.refusalOf(beside), undefined, network)
    const allowed = admission({ allow: [network] })
    assert.equal(allowed.refusalOf(within), undefined, network)
    assert.equal(allowed.refusalOf(beside), 'denied', network)
  }
})

test('new lists replace the old ones', () => {
  const made = admission({ deny: ['192.0.2.1'] })
  made.apply({ access: { allow: [], deny: [], maxPerSecond: 0 } })
  assert.equal(made.refusalOf('192.0.2.1'), undefined)
})

/** A limit on a clock that the test sets. */
function rate(maxPerSecond: number) {
  const clock = { ms: 0 }
  const limit = new RateLimit(() => clock.ms)
  limit.limit(maxPerSecond)
  return { clock, limit, refused: (address = '192.0.2.1') => limit.isExceededBy(address) }
}

test('an address may open so many connections at once, and then one in each part of a second', () => {
  const { clock, refused } = rate(4)
  assert.deepEqual(
    Array.from({ length: 6 }, () => refused()),
    [false, false, false, false, true, true],
  )
  clock.ms = 249
  assert.equal(refused(), true)
  clock.ms = 250
  assert.deepEqual([refused(), refused()], [false, true])
  clock.ms = 2_000
  assert.equal(refused(), false)
})

test('each IPv4 address counts for itself, and each /64 network of IPv6', () => {
  const { refused } = rate(1)
  for (const [address, isRefused] of [
    ['192.0.2.1', false],
    ['192.0.2.2', false],
    ['192.0.2.1', true],
    ['2001:db8::1', false],
    ['2001:db8:0:0:9:9:9:9', true],
    ['2001:db8:0:1::1', false],
    ['::1', false],
    ['::2', true],
    ['fe80::1%eth0', false],
    ['fe80::2%eth0', true],
  ] as const) {
    assert.equal(refused(address), isRefused, address)
  }
})

test('in no second does an address open more than twice the limit, and in the long run not more than it', () => {
  const steps = fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 300 })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 50 }), steps, (maxPerSecond, waits) => {
      const { clock, refused } = rate(maxPerSecond)
      const opened: number[] = []
      for (const waitMs of waits) {
        clock.ms += waitMs
        for (let tries = 0; tries < 5; tries += 1) if (!refused()) opened.push(clock.ms)
      }
      for (const atMs of opened) {
        const within = opened.filter((ms) => ms >= atMs && ms < atMs + 1_000).length
        assert.ok(within <= 2 * maxPerSecond, `${within} in a second`)
      }
      assert.ok(opened.length <= maxPerSecond * (1 + clock.ms / 1_000) + 0.01)
    }),
  )
})

test('memory is bounded, however many addresses there are', () => {
  const { clock, limit, refused } = rate(1)
  for (let at = 0; at < 300_000; at += 1) {
    clock.ms = at / 1_000
    refused(`10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`)
  }
  assert.equal(limit.size, 65_536)
  clock.ms += 5_000
  refused()
  assert.equal(limit.size, 1)
})
