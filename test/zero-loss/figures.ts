import type { Occurrence } from './ledger.ts'
import type { Settled } from './load/messages.ts'
import { type WayName, wayNames } from './load/way.ts'

/** An event's figures over all the times that it happened. */
export interface Figures {
  readonly name: string
  readonly times: number
  readonly ways: Readonly<Record<WayName, WayFigures>>
  readonly crowd: WayFigures
  /** These are of the ways; a crowd has an account of its own. */
  readonly lost: number
  readonly refused: number
  /** What a connection took beyond its handler's time: of 99 in a hundred, and of all. */
  readonly p99WaitMs: number
  readonly longestWaitMs: number
  /** The longest from a connection that got no answer to the first answer of one that began later. */
  readonly longestGapMs: number
}

/** The account of one way to reach the service, or of its crowds. */
export interface WayFigures {
  /** Connections that began while the event went on. */
  readonly begun: number
  /** Connections that were accepted, and ended without their whole right answer. */
  readonly lost: number
}

/** One row of figures for each event, in the order in which they first happened. */
export function figuresOf(occurrences: readonly Occurrence[]): Figures[] {
  const names = [...new Set(occurrences.map(({ event }) => event.name))]
  return names.map((name) => {
    const times = occurrences.filter(({ event }) => event.name === name)
    const connections = times.flatMap((one) => one.connections)
    const waitsMs = connections
      .filter(isRight)
      .map(waitMs)
      .toSorted((a, b) => a - b)
    return {
      name,
      times: times.length,
      ways: {
        tcp: wayFigures(times, 'tcp'),
        tls: wayFigures(times, 'tls'),
        unix: wayFigures(times, 'unix'),
      },
      crowd: crowdFigures(times),
      lost: connections.filter(isLost).length,
      refused: connections.filter(({ outcome }) => outcome === 'refused').length,
      p99WaitMs: waitsMs[Math.floor(waitsMs.length * 0.99)] ?? 0,
      longestWaitMs: waitsMs.at(-1) ?? 0,
      longestGapMs: Math.max(...times.map(longestGapOfAnyMs)),
    }
  })
}

function isRight({ outcome }: Settled): boolean {
  return outcome === 'right'
}

/** Refused is not lost: such a client knows that it must ask again. */
function isLost({ outcome }: Settled): boolean {
  return outcome !== 'right' && outcome !== 'refused'
}

/** How long a connection took beyond what its handler was asked to take. */
function waitMs({ begunMs, endedMs, delayMs }: Settled): number {
  return endedMs - begunMs - delayMs
}

function wayFigures(times: readonly Occurrence[], name: WayName): WayFigures {
  const begun = times.flatMap(({ fromMs, toMs, connections }) =>
    by(name, connections).filter(({ begunMs }) => begunMs >= fromMs && begunMs <= toMs),
  )
  const lost = times.flatMap(({ connections }) => by(name, connections).filter(isLost))
  return { begun: begun.length, lost: lost.length }
}

function crowdFigures(times: readonly Occurrence[]): WayFigures {
  const sum = (of: 'connected' | 'cutOff' | 'wrong') =>
    times.reduce((all, { crowd }) => all + crowd[of], 0)
  return { begun: sum('connected'), lost: sum('cutOff') + sum('wrong') }
}

function by(name: WayName, connections: readonly Settled[]): readonly Settled[] {
  return connections.filter(({ way }) => way === name)
}

/** Each way has gaps of its own: a client of one is no answer to a client of another. */
function longestGapOfAnyMs({ connections }: Occurrence): number {
  return Math.max(...wayNames.map((name) => longestGapMs(by(name, connections))))
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
