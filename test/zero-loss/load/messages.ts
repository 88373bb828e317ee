import type { Pace } from '../exchange.ts'
import type { Way, WayName } from './way.ts'

/** How a connection ended: with its whole right answer and a clean end, or otherwise. */
export type Outcome = 'right' | 'refused' | 'reset' | 'short' | 'wrong' | 'timeout'

/** A connection that has ended, as its client saw it; times are those of `monotonicMs`, null for what never came. */
export interface Settled {
  readonly id: number
  readonly kind: string
  readonly way: WayName
  readonly delayMs: number
  /** The client's own address, which the service logs; empty for clients of a Unix socket, which have none. */
  readonly address: string
  readonly begunMs: number
  readonly connectedMs: number | null
  readonly firstByteMs: number | null
  readonly endedMs: number
  readonly outcome: Outcome
  readonly receivedBytes: number
  readonly expectedBytes: number
}

/** Connections of one kind: one begins every so many milliseconds, whatever became of those before it. */
export interface Stream {
  readonly kind: string
  readonly everyMs: number
  /** The least and the most that the handler is asked to take, in milliseconds. */
  readonly delayMs: readonly [number, number]
  /** The longest payload of its lines, in bytes. */
  readonly payloadBytes: number
}

/** One connection that a test asks for, beside the streams. */
export interface Special {
  readonly pace: Pace
  readonly delayMs: number
  /** Keeps the client's side open for so long after the server has ended its own, in milliseconds. */
  readonly holdOpenMs: number
}

export type ToLoad =
  | {
      readonly kind: 'start'
      readonly ways: readonly Way[]
      readonly seed: number
      readonly streams: readonly Stream[]
    }
  | { readonly kind: 'open'; readonly ticket: number; readonly special: Special }
  /** Begin no more; the process ends when those that are open have ended. */
  | { readonly kind: 'stop' }

export type FromLoad =
  /** The first byte, or the end, of the answer on a connection that was asked for. */
  | {
      readonly kind: 'answering' | 'answered'
      readonly ticket: number
      readonly address: string
    }
  | { readonly kind: 'settled'; readonly connections: readonly Settled[] }
