import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { deferred } from '../../../src/async/deferred.ts'
import { monotonicMs } from '../../../src/clock.ts'
import type { Grant, LeaseListener } from '../../../src/lease/lease.ts'
import { SharedLease } from '../../../src/lease/shared-lease.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { keptLog } from '../support/kept-log.ts'
import { LeaseMemory, MemoryLeaseStore } from '../support/memory-lease-store.ts'

/** Long enough that a busy machine loses no lease. */
const ttlMs = 1_500

/** A memory whose lease is free. */
function freeMemory(): LeaseMemory {
  const memory = new LeaseMemory(ttlMs)
  memory.change({ state: 'free' })
  return memory
}

/** A host with its own lease, and what it has learned of it. */
class Host implements LeaseListener {
  readonly store: MemoryLeaseStore
  readonly lease: SharedLease
  readonly events: string[] = []

  constructor(t: TestContext, memory: LeaseMemory, host: string, instance = host) {
    this.store = new MemoryLeaseStore(memory, { instance, host, lockId: host })
    const { log } = keptLog()
    this.lease = new SharedLease(this.store, { host, mode: 'exclusive', ttlMs, log }, this)
    t.after(() => this.lease.close())
  }

  async holding(): Promise<this> {
    this.lease.acquire()
    await waitFor('the lease', () => this.lease.grant !== null)
    return this
  }

  onHeld({ token }: Grant): void {
    this.events.push(`held ${token}`)
  }

  onContended(hosts: readonly string[]): void {
    this.events.push(`contended ${hosts.join()}`)
  }

  onFailure({ message }: Error): void {
    this.events.push(message)
  }

  onExtended(): void {}

  onLost(cause: string): void {
    this.events.push(`lost: ${cause}`)
  }
}

describe('the lease over a store', { concurrency: 8 }, () => {
  test('a store that knows of no holder grants nothing before a lease has passed', async (t) => {
    const startMs = monotonicMs()
    const a = await new Host(t, new LeaseMemory(ttlMs), 'a').holding()
    assert.ok(monotonicMs() - startMs > ttlMs)
    assert.deepEqual(a.events, ['held 1'])
    assert.equal(a.lease.isValid(), true)
  })

  test('a host that waits learns who holds the lease, and has it when that one releases it', async (t) => {
    const memory = freeMemory()
    const a = await new Host(t, memory, 'a').holding()
    const b = new Host(t, memory, 'b')
    b.lease.acquire()
    await waitFor('the holder', () => b.events.includes('contended a'))
    assert.equal(b.lease.status.reason, 'a has it')
    await a.lease.release()
    await waitFor('the lease', () => b.events.includes('held 2'))
  })

  test('a holder that is cut off loses the lease before another host has it', async (t) => {
    const memory = freeMemory()
    const a = await new Host(t, memory, 'a').holding()
    const b = new Host(t, memory, 'b')
    b.lease.acquire()
    let wasValid: boolean | undefined
    b.onHeld = () => {
      wasValid = a.lease.isValid()
    }
    a.store.isCutOff = true
    await waitFor('the takeover', () => b.lease.grant !== null)
    assert.equal(wasValid, false)
    assert.deepEqual(a.events.slice(1), [
      'The memory is away',
      'lost: it could not be renewed in time: The memory is away',
    ])
  })

  test('a holder restores what the store has lost, and keeps the lease', async (t) => {
    const memory = freeMemory()
    const a = await new Host(t, memory, 'a').holding()
    const b = new Host(t, memory, 'b')
    memory.lose()
    b.lease.acquire()
    await waitFor('the holder', () => b.events.includes('contended a'))
    assert.deepEqual(a.events, ['held 1'])
  })

  test('a renewal that does not count is repeated at once', async (t) => {
    const a = await new Host(t, freeMemory(), 'a').holding()
    const renew = a.store.renew.bind(a.store)
    const answers: string[] = []
    a.store.renew = async (grant) => {
      const isFirst = answers.length === 0
      const renewal = isFirst ? ({ kind: 'changed' } as const) : await renew(grant)
      answers.push(`${renewal.kind} ${a.lease.isValid()}`)
      return renewal
    }
    await waitFor('three renewals', () => answers.length >= 3)
    assert.deepEqual(answers.slice(0, 3), ['changed true', 'renewed true', 'renewed true'])
    assert.deepEqual(a.events, ['held 1'])
  })

  test('another process of the host continues the lease with its token', async (t) => {
    const memory = freeMemory()
    const a = await new Host(t, memory, 'a').holding()
    const { hold } = a.lease
    assert.ok(hold)
    a.lease.stop()
    assert.equal(a.lease.isValid(), false)
    const successor = new Host(t, memory, 'a')
    const renew = successor.store.renew.bind(successor.store)
    let answers = 0
    successor.store.renew = async (grant) => {
      answers += 1
      return answers === 1 ? { kind: 'changed' } : renew(grant)
    }
    await successor.lease.resume(hold)
    assert.deepEqual(successor.events, ['held 1'])
    assert.ok(answers >= 2)
  })

  test('a lease that has expired or been lost is not continued', async (t) => {
    const memory = freeMemory()
    const a = await new Host(t, memory, 'a').holding()
    const { hold } = a.lease
    assert.ok(hold)
    await a.lease.release()
    await new Host(t, memory, 'b').holding()
    const successor = new Host(t, memory, 'a')
    const late = { ...hold, deadlineMs: monotonicMs() - 1 }
    await assert.rejects(successor.lease.resume(late), { code: 'BOOT_FAILED', message: /expired/ })
    const inTime = { ...hold, deadlineMs: monotonicMs() + 60_000 }
    await assert.rejects(successor.lease.resume(inTime), { message: 'b has the lease by now' })
    assert.deepEqual(successor.events, [])
  })

  test('a grant that comes too late is given back', async (t) => {
    const memory = freeMemory()
    const a = new Host(t, memory, 'a')
    const answer = deferred<void>()
    a.store.answering = answer.promise
    a.lease.acquire()
    await waitFor('the grant', () => memory.entry.state === 'held')
    const released = a.lease.release()
    answer.resolve()
    await released
    assert.equal(memory.entry.state, 'free')
    assert.deepEqual(a.events, [])
  })
})
