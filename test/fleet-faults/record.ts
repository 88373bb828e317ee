import { type Fault, patience } from './fault.ts'
import { type Claim, type History, servedUntilMs } from './history.ts'
import type { Violation } from './verdict.ts'

/** A machine that is busy may be late by this much, beside what the protocol allows; milliseconds. */
const noiseMs = 250
/** How often a contender looks, if no hint comes, at the least; milliseconds. */
const pollMs = 250

/** One time that a fault happened; times are those of the shared monotonic clock. */
export interface Occurrence {
  readonly fault: Fault
  readonly fromMs: number
  readonly toMs: number
  /** When the holder was struck, where that makes a difference. */
  readonly struckMs: number | undefined
  readonly ttlMs: number
}

/** What a fault came to. */
export interface Outcome {
  /** From the strike to the next holder. */
  readonly takeOverMs: number | undefined
  /** How long nobody served. */
  readonly gapMs: number | undefined
  /** How long before its rival the holder knew that it was over. */
  readonly aheadMs: number | undefined
}

/** How the lease passed while a fault went on. */
export function outcomeOf(history: History, { fromMs, toMs, struckMs }: Occurrence): Outcome {
  const { claims } = history
  const next = claims.find((claim) => claim.fromMs > (struckMs ?? fromMs) && claim.fromMs <= toMs)
  const before = next === undefined ? undefined : claims[claims.indexOf(next) - 1]
  if (next === undefined || before === undefined) {
    return { takeOverMs: undefined, gapMs: undefined, aheadMs: undefined }
  }
  return {
    takeOverMs: struckMs === undefined ? undefined : next.fromMs - struckMs,
    gapMs: next.fromMs - servedUntilMs(before),
    aheadMs: before.endedMs === undefined ? undefined : next.fromMs - before.endedMs,
  }
}

/** What the lease made of a fault that it must not; nothing that anybody may lose, but not what was promised either. */
export function brokenPromises(history: History, occurrence: Occurrence): string[] {
  const { fault, fromMs, toMs } = occurrence
  const begun = history.claims.filter((claim) => claim.fromMs > fromMs && claim.fromMs <= toMs)
  const broken: string[] = []
  if (fault.holder === 'stays' && begun.length > 0) {
    broken.push(`the lease did not stay where it was: ${begun.map(nameOf).join(', ')}`)
  }
  if (fault.holder === 'changes' && begun.length === 0) broken.push('nobody took over')
  return broken.map((one) => `${fault.name}: ${one}`)
}

/**
 * That the next holder came later than the protocol has it; undefined when it did not. Of a machine with other work this
 * says nothing about the lease.
 */
export function lateTakeOver(history: History, occurrence: Occurrence): string | undefined {
  const { fault, ttlMs } = occurrence
  const { takeOverMs } = outcomeOf(history, occurrence)
  if (fault.takeOver === undefined || takeOverMs === undefined) return undefined
  const boundMs = noiseMs + pollMs + patience[fault.takeOver](ttlMs)
  if (takeOverMs <= boundMs) return undefined
  return `${fault.name}: the take-over took ${takeOverMs.toFixed()} ms, at most ${boundMs} are allowed`
}

/** Whether a fault makes up for what is wrong: who can do nothing cannot know either. */
export function isExcused({ wrong, atMs }: Violation, occurrences: readonly Occurrence[]): boolean {
  if (wrong !== 'unaware') return false
  return occurrences.some(
    ({ fault, fromMs, toMs }) => fault.isStunned && fromMs <= atMs && atMs <= toMs,
  )
}

function nameOf({ contender, token, cause }: Claim): string {
  return `${contender} with token ${token} (${cause ?? 'has it still'})`
}
