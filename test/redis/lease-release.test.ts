import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Grant } from '../../src/lease/lease.ts'
import { RedisLink } from '../../src/redis/link.ts'
import { RedisLeaseStore } from '../../src/redis/redis-lease-store.ts'
import { parseRedisUrl } from '../../src/redis/redis-target.ts'
import { StoreError } from '../../src/store-error.ts'
import { RedisServer } from '../helpers/redis/server.ts'
import { waitFor } from '../helpers/wait-for.ts'

const ttlMs = 3_000

async function storeAt(
  t: TestContext,
  server: RedisServer,
  name: string,
): Promise<RedisLeaseStore> {
  const link = new RedisLink(parseRedisUrl(server.url, 'The URL'), name)
  t.after(() => link.close())
  await link.ready(5_000)
  const contender = { instance: name, host: name, lockId: name }
  return new RedisLeaseStore(link, contender, { service: 'unit', slots: 1, ttlMs })
}

/** Acquires a lease that no host holds, without the wait that this takes. */
async function acquire(store: RedisLeaseStore): Promise<Grant> {
  // On a busy machine, the first answer may come after its time limit, as any answer may: then one asks again.
  const seen = await waitFor('an answer', () =>
    store.acquire(0, ['']).catch((error: unknown) => {
      if (error instanceof StoreError && !error.isPermanent) return undefined
      throw error
    }),
  )
  if (seen.kind === 'granted') return seen.grant
  const answer = await store.acquire(
    0,
    seen.records.map(({ id }) => id),
  )
  assert.equal(answer.kind, 'granted')
  return answer.grant
}

test('a released lease is free at once', async (t) => {
  const server = await RedisServer.start(t)
  const [a, b] = await Promise.all([storeAt(t, server, 'a'), storeAt(t, server, 'b')])
  await a.release(await acquire(a))
  assert.equal((await b.acquire(0, [''])).kind, 'granted')
})

test('a release that is repeated at a promoted replica frees nothing there', async (t) => {
  const master = await RedisServer.start(t)
  const replica = await RedisServer.start(t, { replicaOf: master })
  const [a, b] = await Promise.all([storeAt(t, master, 'a'), storeAt(t, master, 'b')])
  const grant = await acquire(a)
  const key = '{hs:unit}:lease'
  await waitFor('the grant at the replica', () => replica.command('HGET', key, 'token'))
  await replica.command('REPLICAOF', 'NO', 'ONE')
  // The old master lives on for a moment: it frees the lease, though its answer is lost, and grants it to another host.
  await a.release(grant)
  await acquire(b)
  const [again, c] = await Promise.all([storeAt(t, replica, 'a'), storeAt(t, replica, 'c')])
  await again.release(grant)
  assert.equal((await c.acquire(0, [''])).kind, 'unavailable', 'b may still be serving')
})

test('a release that is repeated at a server that has lost its data frees nothing there', async (t) => {
  const server = await RedisServer.start(t)
  const a = await storeAt(t, server, 'a')
  const grant = await acquire(a)
  await server.restart()
  const [again, c] = await Promise.all([storeAt(t, server, 'a'), storeAt(t, server, 'c')])
  await again.release(grant)
  assert.equal((await c.acquire(0, [''])).kind, 'unavailable', 'another host may still be serving')
})
