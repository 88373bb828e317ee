/** A connection among others that compete for a limited number of places. */
export interface Member {
  /** Since when nobody waits for anything on it, by the monotonic clock in milliseconds; undefined while somebody does. */
  readonly idleSinceMs: number | undefined
  /** Whether something has been done on it. */
  readonly isKnown: boolean
  hangUp(): void
}

/** One that was of use keeps its place for so long, since it may be about to ask for more; in milliseconds. */
const afterUseMs = 100

/**
 * The connections that are open to a server, a limited number. When all places are taken, a newcomer gets the place of
 * the one that has been idle for the longest, so that nobody is kept out by those who only sit there.
 */
export class Crowd<M extends Member> {
  readonly #max: number
  readonly #members = new Set<M>()

  constructor(max: number) {
    this.#max = max
  }

  get members(): Iterable<M> {
    return this.#members
  }

  get size(): number {
    return this.#members.size
  }

  /** Takes a newcomer in, and hangs up on another for that if need be; false when each has a better claim to its place. */
  admit(newcomer: M, nowMs = performance.now()): boolean {
    if (this.#members.size >= this.#max && !this.#makeRoom(nowMs)) return false
    this.#members.add(newcomer)
    return true
  }

  leave(member: M): void {
    this.#members.delete(member)
  }

  /** Hangs up on those that have been idle for longer than `maxIdleMs`; returns how many. */
  dropIdle(maxIdleMs: number, nowMs = performance.now()): number {
    const idle = [...this.#members].filter(
      ({ idleSinceMs }) => idleSinceMs !== undefined && nowMs - idleSinceMs > maxIdleMs,
    )
    for (const member of idle) this.#drop(member)
    return idle.length
  }

  #makeRoom(nowMs: number): boolean {
    let longest: M | undefined
    let longestMs = -1
    for (const member of this.#members) {
      const { idleSinceMs, isKnown } = member
      if (idleSinceMs === undefined) continue
      const idleMs = nowMs - idleSinceMs
      if ((isKnown && idleMs < afterUseMs) || idleMs <= longestMs) continue
      longest = member
      longestMs = idleMs
    }
    if (longest === undefined) return false
    this.#drop(longest)
    return true
  }

  #drop(member: M): void {
    this.#members.delete(member)
    member.hangUp()
  }
}
