/** The part of redlock 4 that the bench uses; redlock 4 comes without types. */
declare module 'redlock' {
  import type { Redis } from 'ioredis'

  export interface Lock {
    extend(ttlMs: number): PromiseLike<Lock>
    unlock(): PromiseLike<void>
  }

  export default class Redlock {
    constructor(clients: readonly Redis[])
    lock(resource: string, ttlMs: number): PromiseLike<Lock>
  }
}
