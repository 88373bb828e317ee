import type { Grant } from '../../../src/lease/lease.ts'
import type {
  Acquisition,
  Contender,
  LeaseRecord,
  LeaseStore,
  Renewal,
} from '../../../src/lease/lease-store.ts'
import { StoreError } from '../../../src/store-error.ts'

interface Entry extends LeaseRecord {
  readonly lockId: string
}

/** The memory that the stores of several contenders share. */
export class LeaseMemory {
  readonly #listeners = new Set<() => void>()
  readonly #ttlMs: number
  #changes = 0
  #entry: Entry

  constructor(ttlMs: number) {
    this.#ttlMs = ttlMs
    this.#entry = this.#unknown()
  }

  get entry(): Entry {
    return this.#entry
  }

  change(changed: Partial<Omit<Entry, 'id'>>): void {
    this.#entry = { ...this.#entry, ...changed, id: this.#nextId() }
    if (this.#entry.state === 'free') for (const listener of this.#listeners) listener()
  }

  /** Forgets everything, as a server does that is restarted without its data. */
  lose(): void {
    this.#entry = this.#unknown()
  }

  listen(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #unknown(): Entry {
    const nobody = { host: '', holder: '', lockId: '', token: 0, sinceMs: 0 }
    return { state: 'grace', ...nobody, ttlMs: this.#ttlMs, id: this.#nextId() }
  }

  #nextId(): string {
    this.#changes += 1
    return String(this.#changes)
  }
}

/** A lease store without a server, for contenders in one process. */
export class MemoryLeaseStore implements LeaseStore {
  readonly name = 'The memory'
  readonly #memory: LeaseMemory
  readonly #contender: Contender
  /** Whether the memory cannot be reached from here. */
  isCutOff = false
  /** Resolves before each answer. */
  answering: Promise<void> = Promise.resolve()

  constructor(memory: LeaseMemory, contender: Contender) {
    this.#memory = memory
    this.#contender = contender
  }

  async acquire(highestToken: number, [expired]: readonly string[]): Promise<Acquisition> {
    await this.#reach()
    const { state, id, lockId, token: last } = this.#memory.entry
    const isOwn = state === 'held' && lockId === this.#contender.lockId
    if (state !== 'free' && !isOwn && expired !== id) {
      return { kind: 'unavailable', records: [this.#memory.entry] }
    }
    const grant = { slot: 1, token: Math.max(last, highestToken) + 1, sinceMs: Date.now() }
    this.#hold(grant)
    await this.answering
    return { kind: 'granted', grant }
  }

  async renew(grant: Grant): Promise<Renewal> {
    await this.#reach()
    const { token, holder, host } = this.#memory.entry
    if (token > grant.token || (token === grant.token && holder !== this.#contender.instance)) {
      return { kind: 'lost', host, token }
    }
    this.#hold(grant)
    return { kind: 'renewed' }
  }

  async release({ token }: Grant): Promise<void> {
    await this.#reach()
    const { entry } = this.#memory
    if (entry.state === 'held' && entry.token === token) this.#memory.change({ state: 'free' })
  }

  subscribe(listener: () => void): () => void {
    return this.#memory.listen(listener)
  }

  close(): void {}

  async #reach(): Promise<void> {
    if (this.isCutOff) throw new StoreError('REDIS_FAILED', 'The memory is away', false, undefined)
  }

  #hold({ token, sinceMs }: Grant): void {
    const { instance: holder, host, lockId } = this.#contender
    this.#memory.change({ state: 'held', holder, host, lockId, token, sinceMs })
  }
}
