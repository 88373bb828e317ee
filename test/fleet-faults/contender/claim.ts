/** A contender's use of a lock, of either kind. */
export interface Claim {
  /** The token by which the contender believes, at this very moment, that it may serve; undefined when it may not. */
  token(): number | undefined
  acquire(): void
  release(): Promise<void>
  /** This process was paused and has resumed. */
  check(): void
  close(): void
}

/** Receives the events of a claim. */
export interface ClaimListener {
  /** @param untilMs - of the monotonic clock; null is until further notice */
  onHeld(token: number, untilMs: number | null): void
  onExtended(untilMs: number): void
  onLost(cause: string): void
  /** The lock cannot be acquired or renewed at the moment. */
  onFailure(reason: string): void
}

export interface ClaimOptions {
  readonly url: string
  /** The contender's name, which is unique. */
  readonly name: string
  readonly ttlMs: number
  /** How many replicas must confirm a write before it counts. */
  readonly replicas: number
}
