import type { Occurrence } from './ledger.ts'
import type { Settled } from './load/messages.ts'

/** An event's figures over all the times that it happened. */
export interface Figures {
  readonly name: string
  readonly times: number
  /** Connections that began while it went on. */
  readonly begun: number
  /** Connections that were accepted, and ended without their whole right answer. */
  readonly lost: number
  readonly refused: number
  /** The longest that a connection took beyond what its handler did. */
  readonly longestWaitMs: number
  /** The longest from a connection that got no answer to the first answer of one that began later. */
  readonly longestGapMs: number
}

/** One row of figures for each event, in the order in which they first happened. */
export function figuresOf(occurrences: readonly Occurrence[]): Figures[] {
  const names = [...new Set(occurrences.map(({ event }) => event.name))]
  return names.map((name) => {
    const times = occurrences.filter(({ event }) => event.name === name)
    const connections = times.flatMap((one) => one.connections)
    return {
      name,
      times: times.length,
      begun: times.reduce((sum, one) => sum + begunIn(one), 0),
      lost: connections.filter(isLost).length,
      refused: connections.filter(({ outcome }) => outcome === 'refused').length,
      longestWaitMs: longest(connections.filter(isRight).map(waitMs)),
      longestGapMs: longest(times.map((one) => longestGapMs(one.connections))),
    }
  })
}

export function isRight({ outcome }: Settled): boolean {
  return outcome === 'right'
}

/** Refused is not lost: such a client knows that it must ask again. */
function isLost({ outcome }: Settled): boolean {
  return outcome !== 'right' && outcome !== 'refused'
}

/** How long a connection took beyond what its handler was asked to take. */
export function waitMs({ begunMs, endedMs, delayMs }: Settled): number {
  return endedMs - begunMs - delayMs
}

function begunIn({ fromMs, toMs, connections }: Occurrence): number {
  return connections.filter(({ begunMs }) => begunMs >= fromMs && begunMs <= toMs).length
}

function longestGapMs(connections: readonly Settled[]): number {
  let longestMs = 0
  let sinceMs: number | undefined
  for (const one of connections.toSorted((a, b) => a.begunMs - b.begunMs)) {
    if (!isRight(one)) sinceMs ??= one.begunMs
    else if (sinceMs !== undefined) {
      longestMs = Math.max(longestMs, (one.firstByteMs ?? one.endedMs) - sinceMs)
      sinceMs = undefined
    }
  }
  return longestMs
}

/** Not `Math.max(...)`: there are more of them than a call can have arguments. */
function longest(figuresMs: readonly number[]): number {
  return figuresMs.reduce((most, ms) => Math.max(most, ms), 0)
}
