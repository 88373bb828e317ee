/** What a contender does to get leave to serve, by whatever means. */
export interface Claim {
  /** Whether it believes, at this very moment, that it may serve; with which token, or undefined. */
  token(): number | undefined
  seek(): void
  release(): Promise<void>
  /** This process was paused, and goes on. */
  check(): void
  close(): void
}

/** Told how it goes. */
export interface ClaimListener {
  /** @param untilMs - of the monotonic clock; null is until further notice */
  onHeld(token: number, untilMs: number | null): void
  onExtended(untilMs: number): void
  onLost(cause: string): void
  /** Why it is not had. */
  onTrouble(reason: string): void
}

export interface ClaimOptions {
  readonly url: string
  /** The contender's name, and its place: no two have the same. */
  readonly name: string
  readonly ttlMs: number
  /** So many replicas must have what was written. */
  readonly replicas: number
}
