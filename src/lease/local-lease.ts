import type { Grant, Lease, LeaseListener } from './lease.ts'

/** A service on one host: its PID lock is all the leave that it needs. */
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

  seek(): void {
    this.#listener.onHeld(alone)
  }

  check(): void {}

  async resume(): Promise<void> {}

  rest(): void {}

  async release(): Promise<void> {}

  close(): void {}
}

/** Nobody else can have it, so nothing needs to tell one grant from another. */
const alone: Grant = { token: 0, slot: 1, sinceMs: 0 }
