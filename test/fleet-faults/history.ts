import type { Entry } from './journal.ts'
import type { Judged } from './resource/write.ts'

/** One time that a contender believed to have the lease; times are in milliseconds of the shared monotonic clock. */
export interface Claim {
  readonly contender: string
  readonly token: number
  readonly fromMs: number
  /** Until when it would have said, if asked, that it may serve; Infinity is until further notice. */
  untilMs: number
  /** When it knew that this was over; undefined when it did not. */
  endedMs: number | undefined
  cause: string | undefined
  /** When its guard let the last write through. */
  lastWriteMs: number | undefined
  accepted: number
  refused: number
}

/** Everything that was said and done, put in order. */
export class History {
  /** In the order in which they began. */
  readonly claims: Claim[] = []
  /** Writes in the order in which the resource took them, as far as one follows another one's. */
  readonly turns: { readonly claim: Claim; readonly atMs: number }[] = []
  /** Writes whose token nobody has ever claimed. */
  readonly strays: Judged[] = []
  /** Why a contender that waits does so, by its name. */
  readonly reasons = new Map<string, string>()

  /** Adds what a contender said, in its order. */
  say(contender: string, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const claim = this.lastOf(contender)
      switch (entry.kind) {
        case 'held':
          this.#begin(contender, entry.token, entry.atMs, entry.untilMs ?? Infinity)
          break
        case 'extended':
          if (claim !== undefined && claim.endedMs === undefined) claim.untilMs = entry.untilMs
          break
        case 'ended':
          if (claim === undefined || claim.endedMs !== undefined) break
          claim.endedMs = entry.atMs
          claim.untilMs = Math.min(claim.untilMs, entry.atMs)
          claim.cause = entry.cause
          break
        case 'waits':
          this.reasons.set(contender, entry.reason)
          break
      }
    }
  }

  /** Adds what the resource saw, in its order. All that its writers said before must have been added. */
  write(writes: readonly Judged[]): void {
    for (const write of writes) {
      const { contender, token, sentMs, arrivedMs, isAccepted } = write
      const claim = this.claims.findLast(
        (one) => one.contender === contender && one.token === token,
      )
      if (claim === undefined) {
        this.strays.push(write)
        continue
      }
      claim.lastWriteMs = Math.max(claim.lastWriteMs ?? 0, sentMs)
      claim[isAccepted ? 'accepted' : 'refused'] += 1
      if (isAccepted && this.turns.at(-1)?.claim !== claim) {
        this.turns.push({ claim, atMs: arrivedMs })
      }
    }
  }

  lastOf(contender: string): Claim | undefined {
    return this.claims.findLast((claim) => claim.contender === contender)
  }

  #begin(contender: string, token: number, fromMs: number, untilMs: number): void {
    const claim: Claim = {
      contender,
      token,
      fromMs,
      untilMs,
      endedMs: undefined,
      cause: undefined,
      lastWriteMs: undefined,
      accepted: 0,
      refused: 0,
    }
    this.claims.push(claim)
    // Journals are read one after the other.
    this.claims.sort((one, other) => one.fromMs - other.fromMs)
  }
}

/** Until when it served, or would have: what its guard did counts, whatever it had said. */
export function servedUntilMs({ untilMs, lastWriteMs = 0 }: Claim): number {
  return Math.max(untilMs, lastWriteMs)
}
