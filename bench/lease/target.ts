export const targetNames = ['helloserver', 'redis-semaphore', 'redlock'] as const

export type TargetName = (typeof targetNames)[number]

/** How long a lock lasts without renewal, in milliseconds; the same for all targets. */
export const ttlMs = 3_000

/** A client that wants the lock, with connections of its own. */
export interface Contender {
  /** Resolves when this contender has the lock, however long that takes. */
  acquire(): Promise<void>
  /** Renews the lock; to be called only by its holder. */
  renew(): Promise<void>
  /** Resolves when Redis has recorded the release. */
  release(): Promise<void>
  close(): void
}

/** A lock in Redis. */
export interface Target {
  readonly name: TargetName
  /**
   * Resolves when the connections are up.
   *
   * @param lock - the name of the lock to contend for
   */
  open(port: number, lock: string): Promise<Contender>
}
