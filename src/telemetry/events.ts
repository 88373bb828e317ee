import {
  type EventDetails,
  type EventKind,
  eventTellings,
  type ServiceEvent,
} from '../lifecycle/events.ts'
import type { Logger } from './logger.ts'

/** So many events are kept. */
const maxKept = 100
/** A detail longer than this is cut: what an app says as it fails is as long as it likes. */
const maxDetailLength = 500

interface Kept {
  readonly event: ServiceEvent
  /** Replaced by the next one that has the same. */
  readonly key: string | undefined
}

/** An event that has no number yet. */
type Unnumbered = Omit<ServiceEvent, 'seq'>

/** What happened to the service lately, oldest first; the log has the same, and more of it. */
export class Events {
  readonly #log: Logger
  readonly #listeners = new Set<(event: ServiceEvent) => void>()
  #kept: Kept[]
  #lastSeq: number

  /** @param inherited - what a predecessor has kept */
  constructor(log: Logger, inherited: readonly ServiceEvent[] = []) {
    this.#log = log
    this.#kept = inherited.slice(-maxKept).map((event) => ({ event, key: undefined }))
    this.#lastSeq = inherited.at(-1)?.seq ?? 0
  }

  /** Logs that something happened, keeps it, and tells whoever has subscribed. */
  record<Kind extends EventKind>(kind: Kind, details: EventDetails[Kind]): void {
    const { level, text, key } = eventTellings[kind]
    const fields: object = { kind, ...details }
    this.#log[level](fields, text(details))
    const bounded = bound(details)
    const at = new Date().toISOString()
    const own: Unnumbered = { at, kind, text: text(bounded), ...bounded }
    this.#keep(own, key === undefined ? undefined : `${kind} ${key(details)}`)
  }

  /** Keeps what another process of this service has recorded and logged. */
  adopt(event: ServiceEvent): void {
    this.#keep(event, undefined)
  }

  /** The last so many, newest last. */
  last(count: number): ServiceEvent[] {
    return this.#kept.slice(-count).map(({ event }) => event)
  }

  /** Those after the one with that number, newest last. */
  since(seq: number): ServiceEvent[] {
    return seq === this.#lastSeq ? [] : this.last(maxKept).filter((event) => event.seq > seq)
  }

  /**
   * Calls `listener` for each event from now on.
   *
   * @returns what ends that
   */
  subscribe(listener: (event: ServiceEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #keep(what: Unnumbered, key: string | undefined): void {
    this.#lastSeq += 1
    const event = { ...what, seq: this.#lastSeq } as ServiceEvent
    const others = key === undefined ? this.#kept : this.#kept.filter((kept) => kept.key !== key)
    this.#kept = [...others, { event, key }].slice(-maxKept)
    for (const listener of this.#listeners) listener(event)
  }
}

function bound<Details extends object>(details: Details): Details {
  const cut = Object.entries(details).map(([name, value]: [string, unknown]) => [
    name,
    typeof value === 'string' && value.length > maxDetailLength
      ? `${value.slice(0, maxDetailLength)}…`
      : value,
  ])
  return Object.fromEntries(cut) as Details
}
