import type { Cleanup } from '../helpers/cleanup.ts'
import type { Weighted } from '../helpers/deck.ts'
import type { Fleet, FleetOptions } from './fleet.ts'

/** Where a fleet meets its faults. */
export interface Stage {
  readonly fleet: Fleet
}

/** A kind of stage, and what may happen on it. */
export interface Setting<S extends Stage = Stage> {
  readonly name: string
  /** Why it cannot be had on this machine; undefined when it can. */
  readonly missing?: () => string | undefined
  open(t: Cleanup, options: FleetOptions): Promise<S>
}

/** How long that may take at the most, in milliseconds, for a lease that lasts so long. */
export const patience = {
  'at once': () => 0,
  /** Nothing of the holder reaches Redis any more. */
  'by patience': (ttlMs: number) => 1.02 * ttlMs + 300,
  /** What it sends still arrives, until it gives its connection up because no answer comes. */
  unanswered: (ttlMs: number) => 600 + 1.02 * ttlMs + 300,
} as const

/** How soon another contender has the lease when the holder has been struck. */
export type TakeOver = keyof typeof patience

/** Something that happens to a fleet or to its Redis, and what the lease must make of it. */
export interface Fault<S extends Stage = Stage> {
  readonly name: string
  /** How often it comes up in a long run, beside the others. */
  readonly weight: number
  /** Whether the lease stays where it is, passes to another contender, or either of them. */
  readonly holder: 'stays' | 'changes' | 'either'
  /** Bounds the time from the strike to the next holder. */
  readonly takeOver?: TakeOver
  /** Whether the holder can do nothing at all for a while, and so cannot know what it loses meanwhile. */
  readonly isStunned?: boolean
  /** Whether its stage can be used no more. */
  readonly spoils?: boolean
  /** Makes it happen, and mends it. */
  run(stage: S): Promise<void>
}

/** A fault where it happens. */
export interface Scene extends Weighted {
  readonly setting: Setting
  readonly fault: Fault
}

/** All faults of a setting. The types see to it that each gets the stage that it is for. */
export function scenesOf<S extends Stage>(
  setting: Setting<S>,
  faults: readonly Fault<S>[],
): Scene[] {
  return faults.map((fault) => ({ setting, fault: fault as Fault, weight: fault.weight }))
}
