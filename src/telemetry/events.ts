import {
  type EventDetails,
  type EventKind,
  eventTable,
  type ServiceEvent,
} from '../lifecycle/event-kinds.ts'
import type { Logger } from './logger.ts'

/** The number of events kept. */
const maxKept = 100
/** The length at which a detail is cut: an app's error message may be arbitrarily long. */
const maxDetailLength = 500

interface Kept {
  readonly event: ServiceEvent
  /** The next event with the same key replaces this one. */
  readonly key: string | undefined
}

/** An event before it is numbered. */
type Unnumbered = Omit<ServiceEvent, 'seq'>

/** The latest events of the service, oldest first; the log has the same events, and more. */
export class Events {
  readonly #log: Logger
  readonly #listeners = new Set<(event: ServiceEvent) => void>()
  #kept: Kept[]
  #lastSeq: number

  /** @param inherited - the events kept by a predecessor */
  constructor(log: Logger, inherited: readonly ServiceEvent[] = []) {
    this.#log = log
    this.#kept = inherited.slice(-maxKept).map((event) => ({ event, key: undefined }))
    this.#lastSeq = inherited.at(-1)?.seq ?? 0
  }

  /** Logs an event, keeps it, and notifies the subscribers. */
  record<Kind extends EventKind>(kind: Kind, details: EventDetails[Kind]): void {
    const { level, text, key } = eventTable[kind]
    const fields: object = { kind, ...details }
    this.#log[level](fields, text(details))
    const bounded = bound(details)
    const at = new Date().toISOString()
    const own: Unnumbered = { at, kind, text: text(bounded), ...bounded }
    this.#keep(own, key === undefined ? undefined : `${kind} ${key(details)}`)
  }

  /** Keeps an event that another process of this service has recorded and logged. */
  adopt(event: ServiceEvent): void {
    this.#keep(event, undefined)
  }

  /** The latest `count` events, newest last. */
  last(count: number): ServiceEvent[] {
    return this.#kept.slice(-count).map(({ event }) => event)
  }

  /** The events after number `seq`, newest last. */
  since(seq: number): ServiceEvent[] {
    return seq === this.#lastSeq ? [] : this.last(maxKept).filter((event) => event.seq > seq)
  }

  /**
   * Calls `listener` for each event from now on.
   *
   * @returns a function that ends the subscription
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
