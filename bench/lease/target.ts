export const targetNames = ['helloserver', 'redis-semaphore', 'redlock'] as const

export type TargetName = (typeof targetNames)[number]

/** How long a lock lasts that is not renewed, in milliseconds; the same for all. */
export const ttlMs = 3_000

/** One who wants the lock, with connections of its own. */
export interface Contender {
  /** Resolves when it has the lock, however long that takes. */
  acquire(): Promise<void>
  /** Makes the lock last longer; to be called by who has it. */
  renew(): Promise<void>
  /** Resolves when Redis knows that it has it no more. */
  release(): Promise<void>
  close(): void
}

/** A lock in Redis. */
export interface Target {
  readonly name: TargetName
  /**
   * Resolves when its connections are up.
   *
   * @param lock - which one it wants
   */
  open(port: number, lock: string): Promise<Contender>
}
