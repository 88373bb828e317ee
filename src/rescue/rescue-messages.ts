import type { ListenSettings } from '../config/listen.ts'
import type { ClosedLedger } from '../connections/ledger.ts'
import { isCount } from '../ipc/progress.ts'
import type { Hold } from '../lease/lease.ts'
import type { HandoverState } from '../upgrade/upgrade-messages.ts'

/**
 * The version of what a primary finds when it continues a service whose primary was killed: the workers' pages, the
 * ledger, what was left, and the messages. The two may be of different builds.
 */
export const rescueProtocol = 3

/** A worker's first message to the next primary; with its page and its end of what the dead primary has left. */
export interface OrphanHello {
  readonly kind: 'orphan'
  readonly protocol: number
  readonly slot: number
  readonly generation: number
  readonly pid: number
}

/** @returns undefined when it is anything else */
export function decodeHello(value: unknown): OrphanHello | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { kind, protocol, slot, generation, pid } = value as Record<string, unknown>
  const isSound = kind === 'orphan' && [protocol, slot, generation, pid].every(isCount)
  return isSound ? (value as OrphanHello) : undefined
}

/** What a primary notes in its ledger once a second, and whenever an endpoint is added or the lease is renewed. */
export interface Notes
  extends Pick<
    HandoverState,
    'figures' | 'events' | 'generation' | 'instance' | 'lastConnectionId'
  > {
  readonly protocol: number
  /** The PID of the primary. */
  readonly pid: number
  /** The settings of all endpoints, by their numbers. */
  readonly endpoints: readonly ListenSettings[]
  /** The lease; null while the service holds none. */
  readonly hold: Hold | null
}

/**
 * Reads what a dead primary has noted, which nobody else can have written.
 *
 * @returns undefined when another release has, or there is nothing yet
 */
export function notesIn({ text }: ClosedLedger): Notes | undefined {
  try {
    const notes = JSON.parse(text) as Notes
    return notes.protocol === rescueProtocol ? notes : undefined
  } catch {
    // It was killed before it had noted anything.
    return undefined
  }
}
