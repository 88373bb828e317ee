import type { Grant, Lease, LeaseListener } from './lease.ts'

/** A service on a single host: its PID lock is all the permission that it needs. */
export class LocalLease implements Lease {
  readonly status = null
  readonly grant = null
  readonly hold = null
  readonly #listener: LeaseListener

  constructor(listener: LeaseListener) {
    this.#listener = listener
  }

  isValid(): boolean {
    return true
  }

  acquire(): void {
    this.#listener.onHeld(onlyGrant)
  }

  check(): void {}

  async resume(): Promise<void> {}

  stop(): void {}

  async release(): Promise<void> {}

  close(): void {}
}

/** No other host can hold the lease, so grants need not be distinguished. */
const onlyGrant: Grant = { token: 0, slot: 1, sinceMs: 0 }
