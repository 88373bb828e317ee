import { monotonicMs } from '../../src/clock.ts'
import type { Event } from './event.ts'
import type { CrowdFigures } from './load/crowd.ts'
import type { Outcome, Settled } from './load/messages.ts'

/** What the ledger knows of an event: any program's, whatever it runs against. */
export type Entry = Pick<Event, 'name' | 'tolerance'>

/** One time that an event happened. */
export interface Occurrence {
  readonly event: Entry
  readonly fromMs: number
  /** Infinity while it is not over. */
  toMs: number
  /** Losses that its tolerance has excused. */
  excused: number
  readonly connections: Settled[]
  /** What became of the crowd that came while it happened, if one did. */
  crowd: CrowdFigures
}

/** A connection that ended badly without an excuse, and what went on meanwhile. */
export interface Violation {
  readonly connection: Settled
  readonly overlapped: readonly Occurrence[]
}

/** What the clients saw altogether. */
export interface Totals {
  /** Connections that were accepted by the system, at the least. */
  connected: number
  right: number
  lost: number
}

const nobody: CrowdFigures = {
  connected: 0,
  right: 0,
  cutOff: 0,
  wrong: 0,
  refused: 0,
  stories: [],
}

const between: Entry = { name: '(between events)', tolerance: {} }

/** Keeps account of what happened when, what became of each connection, and which ends nothing excuses. */
export class Ledger {
  readonly occurrences: Occurrence[] = []
  /** What overlapped no event. */
  readonly between = newOccurrence(between, -Infinity)
  /** Connections that ended in a way that no event may cause. */
  readonly violations: Violation[] = []
  /** Crowds of which some connections ended so, with the event meanwhile. */
  readonly crowdViolations: { readonly event: Entry; readonly crowd: CrowdFigures }[] = []
  #totals: Totals = { connected: 0, right: 0, lost: 0 }
  #countedFromMs = 0

  begin(event: Entry): Occurrence {
    const occurrence = newOccurrence(event, monotonicMs())
    this.occurrences.push(occurrence)
    return occurrence
  }

  end(occurrence: Occurrence): void {
    occurrence.toMs = monotonicMs()
  }

  /** Totals of the connections that began since `countFrom` was last called. */
  get totals(): Readonly<Totals> {
    return this.#totals
  }

  /** Begins the totals anew: another primary counts from 0 too. */
  countFrom(ms: number): void {
    this.#countedFromMs = ms
    this.#totals = { connected: 0, right: 0, lost: 0 }
  }

  settle(connection: Settled): void {
    this.#count(connection)
    const overlapped = this.#overlappedBy(connection)
    for (const { connections } of overlapped.length === 0 ? [this.between] : overlapped) {
      connections.push(connection)
    }
    if (connection.outcome === 'right' || isExcused(connection, overlapped)) return
    this.violations.push({ connection, overlapped })
  }

  /**
   * Enters the crowd that came while an event went on, and is gone. A killed primary can have had some of it in its own
   * list, as whenever workers do not accept.
   */
  settleCrowd(occurrence: Occurrence, crowd: CrowdFigures): void {
    const { connected, right, cutOff, wrong, refused } = crowd
    occurrence.crowd = crowd
    this.#totals.connected += connected
    this.#totals.right += right
    this.#totals.lost += cutOff + wrong
    const { event } = occurrence
    const { claimed = 0, queued = false } = event.tolerance
    const excused = Math.min(cutOff, claimed - occurrence.excused)
    occurrence.excused += excused
    if ((cutOff > excused && !queued) || wrong > 0 || refused > 0)
      this.crowdViolations.push({ event, crowd })
  }

  #count({ begunMs, connectedMs, outcome }: Settled): void {
    if (connectedMs === null || begunMs < this.#countedFromMs) return
    this.#totals.connected += 1
    this.#totals[outcome === 'right' ? 'right' : 'lost'] += 1
  }

  /** What went on while it lived. Events follow each other, and no connection is older than a few of them. */
  #overlappedBy(connection: Settled): Occurrence[] {
    const { begunMs } = connection
    const untilMs = lostMs(connection)
    const overlapped: Occurrence[] = []
    for (const occurrence of this.occurrences.toReversed()) {
      if (occurrence.toMs < begunMs) break
      if (occurrence.fromMs <= untilMs) overlapped.unshift(occurrence)
    }
    return overlapped
  }
}

function newOccurrence(event: Entry, fromMs: number): Occurrence {
  return { event, fromMs, toMs: Infinity, excused: 0, connections: [], crowd: nobody }
}

/** When it was decided how a connection ends: one that hangs has been lost since it was last heard of. */
function lostMs({ outcome, endedMs, firstByteMs, connectedMs, begunMs }: Settled): number {
  return outcome === 'timeout' ? (firstByteMs ?? connectedMs ?? begunMs) : endedMs
}

/** However it ended, nothing is to blame that ends connections. */
const inexcusable: ReadonlySet<Outcome> = new Set(['wrong', 'timeout'])

/** Only the event in which a connection ended can have ended it. */
function isExcused(connection: Settled, overlapped: readonly Occurrence[]): boolean {
  const { outcome, firstByteMs } = connection
  if (inexcusable.has(outcome)) return false
  const atMs = lostMs(connection)
  return overlapped.some((occurrence) => {
    const { fromMs, toMs, event } = occurrence
    if (atMs < fromMs || atMs > toMs) return false
    if (outcome === 'refused') return event.tolerance.refuses ?? false
    // One that was reset in the queue may not have been told yet that it was connected, least of all through TLS.
    const wasQueued = firstByteMs === null
    if (wasQueued && event.tolerance.queued) return true
    if (occurrence.excused >= (event.tolerance.claimed ?? 0)) return false
    occurrence.excused += 1
    return true
  })
}
