/** A connection that competes with others for a limited number of places. */
export interface Member {
  /** Since when nothing is pending on it, in monotonic milliseconds; undefined while something is. */
  readonly idleSinceMs: number | undefined
  /** Whether it has ever been used. */
  readonly isKnown: boolean
  hangUp(): void
}

/** How long a used connection keeps its place, in milliseconds: it may be about to ask for more. */
const afterUseMs = 100

/**
 * The open connections of a server, limited in number. When all places are taken, a newcomer gets the place of
 * the connection that has been idle the longest, so that idle connections keep nobody out.
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

  /** Admits a newcomer, if need be in another member's place; false when each has a better claim to it. */
  admit(newcomer: M, nowMs = performance.now()): boolean {
    if (this.#members.size >= this.#max && !this.#makeRoom(nowMs)) return false
    this.#members.add(newcomer)
    return true
  }

  leave(member: M): void {
    this.#members.delete(member)
  }

  /** Disconnects the members that have been idle for longer than `maxIdleMs`; returns how many. */
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
