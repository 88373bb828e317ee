import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Grant } from '../../src/lease/lease.ts'
import { RedisLink } from '../../src/redis/link.ts'
import { RedisLeaseStore } from '../../src/redis/redis-lease-store.ts'
import { parseRedisUrl } from '../../src/redis/redis-target.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { waitFor } from '../helpers/wait-for.ts'

const key = '{hs:unit}:lease'

interface Options {
  readonly lockId?: string
  readonly slots?: number
  readonly ttlMs?: number
}

async function storeAt(t: TestContext, server: RedisServer, name: string, options: Options = {}) {
  const { lockId = name, slots = 1, ttlMs = 3_000 } = options
  const link = new RedisLink(parseRedisUrl(server.url, 'The URL'), name)
  t.after(() => link.close())
  await link.ready(5_000)
  const contender = { instance: name, host: name, lockId }
  return new RedisLeaseStore(link, contender, { service: 'unit', slots, ttlMs })
}

/** Returns the records; fails when one is granted. */
async function look(store: RedisLeaseStore, expired: readonly string[] = []) {
  const answer = await store.acquire(0, expired)
  assert.equal(answer.kind, 'unavailable')
  return answer.records
}

async function acquire(store: RedisLeaseStore, expired: readonly string[] = []): Promise<Grant> {
  const answer = await store.acquire(0, expired)
  assert.equal(answer.kind, 'granted')
  return answer.grant
}

/** Acquires a lease that no host holds, without the wait that this takes. */
async function acquireNew(store: RedisLeaseStore): Promise<Grant> {
  return acquire(
    store,
    (await look(store)).map(({ id }) => id),
  )
}

describe('the scripts of the lease', () => {
  test('a server without a record of a holder grants only a record that has expired', async (t) => {
    const server = await RedisServer.start(t)
    const a = await storeAt(t, server, 'a')
    const [record] = await look(a)
    assert.equal(record?.state, 'grace')
    await look(a, ['something else'])
    const { slot, token } = await acquire(a, [record.id])
    assert.equal(slot, 1)
    assert.ok(token > 0)
  })

  test('a record that is held is not granted, and each grant has a higher token', async (t) => {
    const server = await RedisServer.start(t)
    const [a, b] = [await storeAt(t, server, 'a'), await storeAt(t, server, 'b')]
    const first = await acquireNew(a)
    const [seen] = await look(b)
    assert.deepEqual([seen?.state, seen?.host, seen?.token], ['held', 'a', first.token])
    await a.release(first)
    const second = await acquire(b)
    assert.ok(second.token > first.token)
    // The caller may have seen more than the server remembers.
    await b.release(second)
    const answer = await a.acquire(second.token + 1_000_000, [''])
    assert.ok(answer.kind === 'granted' && answer.grant.token === second.token + 1_000_001)
  })

  for (const [field, values] of [
    [
      'token',
      ['9007199254740991', '9007199254740992', '1e300', '-1', '1.5', 'nan', 'x\u001b[2J', ''],
    ],
    ['seq', ['9007199254740991', '9223372036854775807', '-1', 'x']],
    ['ttl', ['9007199254740992', 'inf', 'x']],
  ] as const) {
    test(`a record with a corrupt ${field} is refused, and not changed`, async (t) => {
      const server = await RedisServer.start(t)
      const a = await storeAt(t, server, 'a')
      await a.release(await acquireNew(a))
      for (const value of values) {
        const before = await server.command('HGET', key, field)
        await server.command('HSET', key, field, value)
        await assert.rejects(a.acquire(0, ['']), (error: Error) => {
          assert.match(
            error.message,
            new RegExp(`is corrupt: "${field}" of "\\{hs:unit\\}:lease" is "`),
          )
          assert.match(error.message, /whole number below 2\^53 .*; stop all hosts, delete the key/)
          assert.doesNotMatch(error.message, /\p{Cc}/u)
          return true
        })
        assert.equal((await server.command('HGET', key, 'state')).trim(), 'free', value)
        await server.command('HSET', key, field, before.trim())
      }
      await acquire(a)
    })
  }

  test('tokens end where the next one would be the same number', async (t) => {
    const server = await RedisServer.start(t)
    const a = await storeAt(t, server, 'a')
    await a.release(await acquireNew(a))
    const last = Number.MAX_SAFE_INTEGER
    const answer = await a.acquire(last - 1, [''])
    assert.ok(answer.kind === 'granted' && answer.grant.token === last)
    await a.release(answer.grant)
    await assert.rejects(a.acquire(0, ['']), /is corrupt: "token" of/)
    await assert.rejects(a.acquire(last, ['']), /is corrupt: "token" of/)
  })

  test('a renewal changes the record, so that it never expires', async (t) => {
    const server = await RedisServer.start(t)
    const [a, b] = [await storeAt(t, server, 'a'), await storeAt(t, server, 'b')]
    const grant = await acquireNew(a)
    const [before] = await look(b)
    assert.ok(before)
    for (let round = 0; round < 3; round += 1) {
      assert.equal((await a.renew(grant)).kind, 'renewed')
      await look(b, [before.id])
    }
    const [after] = await look(b)
    assert.ok(after && after.id !== before.id)
    assert.ok((await acquire(b, [after.id])).token > grant.token)
    assert.equal((await a.renew(grant)).kind, 'changed')
    assert.deepEqual((await a.renew(grant)).kind, 'lost')
  })

  test('after a restart of a durable server, a record that was held is in grace until it is renewed', async (t) => {
    const server = await RedisServer.start(t, { isDurable: true })
    const grant = await acquireNew(await storeAt(t, server, 'a'))
    await server.restart()
    const again = await storeAt(t, server, 'a')
    const stranger = await storeAt(t, server, 'b')
    const [record] = await look(stranger)
    assert.deepEqual([record?.state, record?.token], ['grace', grant.token])
    assert.equal((await again.renew(grant)).kind, 'renewed')
    const [renewed] = await look(stranger, [record?.id ?? ''])
    assert.equal(renewed?.state, 'held')
    await again.release(grant)
    assert.ok((await acquire(stranger)).token > grant.token)
  })

  test('a holder with a new connection records which server it leads to', async (t) => {
    const server = await RedisServer.start(t, { isDurable: true })
    const a = await storeAt(t, server, 'a')
    const grant = await acquireNew(a)
    await a.renew(grant)
    await server.restart()
    const again = await storeAt(t, server, 'a')
    // No other host has looked in the meantime.
    await again.renew(grant)
    assert.equal(await server.command('HGET', key, 'epoch'), await server.info('run_id'))
  })

  test('a renewal restores a record and settings that the server has lost', async (t) => {
    const server = await RedisServer.start(t)
    const [a, b] = [await storeAt(t, server, 'a'), await storeAt(t, server, 'b')]
    const grant = await acquireNew(a)
    await a.renew(grant)
    const settings = await server.command('HGETALL', '{hs:unit}:settings')
    for (const lost of [[key], [key, '{hs:unit}:settings']]) {
      await server.command('DEL', ...lost)
      assert.equal((await a.renew(grant)).kind, 'changed')
      assert.equal((await a.renew(grant)).kind, 'renewed')
      assert.equal(await server.command('HGETALL', '{hs:unit}:settings'), settings)
      const [record] = await look(b)
      assert.deepEqual([record?.state, record?.token], ['held', grant.token])
    }
  })

  test('settings that the server has lost are restored within one lease', async (t) => {
    const server = await RedisServer.start(t)
    const a = await storeAt(t, server, 'a')
    const grant = await acquireNew(a)
    const settings = await server.command('HGETALL', '{hs:unit}:settings')
    await server.command('DEL', '{hs:unit}:settings')
    // The number of renewals in one lease.
    for (let renewal = 0; renewal < 5; renewal += 1) {
      assert.equal((await a.renew(grant)).kind, 'renewed')
    }
    assert.equal(await server.command('HGETALL', '{hs:unit}:settings'), settings)
  })

  test('a renewal only increments the counter, unless another host has changed it', async (t) => {
    const server = await RedisServer.start(t)
    const [a, b] = [await storeAt(t, server, 'a'), await storeAt(t, server, 'b')]
    const grant = await acquireNew(a)
    const before = await server.command('HGETALL', key)
    const seq = Number(await server.command('HGET', key, 'seq'))
    assert.equal((await a.renew(grant)).kind, 'renewed')
    const counted = before.replace(`seq\n${seq}`, `seq\n${seq + 1}`)
    assert.equal(await server.command('HGETALL', key), counted)
    // A holder that does not know yet that it has lost the lease does this once.
    await server.command('HINCRBY', key, 'seq', '1')
    assert.equal((await a.renew(grant)).kind, 'changed')
    assert.equal((await a.renew(grant)).kind, 'renewed')
    assert.equal((await a.renew(grant)).kind, 'renewed')
    assert.equal((await look(b))[0]?.state, 'held')
  })

  test('a renewal does not count when a proxy has switched to a replica that lags', async (t) => {
    const server = await RedisServer.start(t)
    const [a, b] = [await storeAt(t, server, 'a'), await storeAt(t, server, 'b')]
    const grant = await acquireNew(a)
    assert.equal((await a.renew(grant)).kind, 'renewed')
    // A replica that lacks the last renewal has this record; the holder's connection, to the proxy, stays.
    const seq = Number(await server.command('HGET', key, 'seq'))
    await server.command('HSET', key, 'epoch', 'the master', 'seq', String(seq - 1))
    // The record gets a number from the clock, which changes outpace for some milliseconds only here.
    await waitFor('a clock that is ahead', async () => {
      const [seconds = '', microseconds = ''] = (await server.command('TIME')).split(/\s+/)
      return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000) > seq + 1
    })
    assert.equal((await look(b))[0]?.state, 'grace')
    assert.equal((await a.renew(grant)).kind, 'changed')
    assert.equal((await a.renew(grant)).kind, 'renewed')
    assert.equal((await look(b))[0]?.state, 'held')
  })

  test('after a lost answer, a renewal reads the record', async (t) => {
    const server = await RedisServer.start(t)
    const a = await storeAt(t, server, 'a')
    const grant = await acquireNew(a)
    await server.pause()
    await assert.rejects(a.renew(grant), { code: 'REDIS_FAILED' })
    server.resume()
    const renewal = await waitFor('an answer', () => a.renew(grant).catch(() => undefined))
    // Not 'changed': without the last answer, it did not rely on the counter.
    assert.equal(renewal.kind, 'renewed')
  })

  test('only the holder can release the lease', async (t) => {
    const server = await RedisServer.start(t)
    const [a, b] = [await storeAt(t, server, 'a'), await storeAt(t, server, 'b')]
    const grant = await acquireNew(a)
    await b.release(grant)
    await a.release({ ...grant, token: grant.token + 1 })
    assert.equal((await look(b))[0]?.state, 'held')
  })

  test('a release of a record that another server wrote frees it for nobody at once', async (t) => {
    const server = await RedisServer.start(t)
    const a = await storeAt(t, server, 'a')
    const grant = await acquireNew(a)
    await server.command('HSET', key, 'epoch', 'another')
    await a.release(grant)
    const b = await storeAt(t, server, 'b')
    assert.equal((await b.acquire(0, [])).kind, 'unavailable')
    assert.equal(await server.command('HGET', key, 'state'), 'grace')
  })

  test('settings that differ from those of the fleet are refused', async (t) => {
    const server = await RedisServer.start(t)
    await acquireNew(await storeAt(t, server, 'a'))
    for (const [options, words] of [
      [{ ttlMs: 2_000 }, /lease\.ttlMs is 2000 here and 3000 in the fleet \(set by a\)/],
      [{ slots: 2 }, /lease\.slots is 2 here and 1 in the fleet/],
    ] as const) {
      const other = await storeAt(t, server, 'b', options)
      await assert.rejects(other.acquire(0, []), { code: 'LEASE_REFUSED', message: words })
    }
  })

  test('no more slots are granted than there are', async (t) => {
    const server = await RedisServer.start(t)
    const names = ['a', 'b', 'c', 'd']
    const stores = await Promise.all(names.map((name) => storeAt(t, server, name, { slots: 2 })))
    const [first] = stores
    assert.ok(first)
    const ids = (await look(first)).map(({ id }) => id)
    const answers = await Promise.all(stores.map((store) => store.acquire(0, ids)))
    const grants = answers.flatMap((answer) => (answer.kind === 'granted' ? [answer.grant] : []))
    assert.deepEqual(new Set(grants.map(({ slot }) => slot)), new Set([1, 2]))
    assert.equal(grants.length, 2)
  })

  test('a holder that has died is succeeded at once under its PID lock, unless the server has been restarted', async (t) => {
    const server = await RedisServer.start(t, { isDurable: true })
    const dead = await storeAt(t, server, 'dead', { lockId: 'here' })
    const next = await storeAt(t, server, 'next', { lockId: 'here' })
    const first = await acquireNew(dead)
    const second = await acquire(next)
    assert.ok(second.token > first.token)
    assert.equal((await dead.renew(first)).kind, 'changed')
    assert.equal((await dead.renew(first)).kind, 'lost')
    await server.restart()
    const third = await storeAt(t, server, 'third', { lockId: 'here' })
    assert.equal((await look(third))[0]?.state, 'grace')
  })
})
