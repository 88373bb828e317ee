import type { LeaseRecord } from './lease-store.ts'

/** A holder stops at 0.98 of its lease; the rest allows for the drift between two monotonic clocks in that time. */
const expiryFactor = 1.02
const marginMs = 300

interface Sighting {
  readonly record: LeaseRecord
  /** When this state of the record was first seen. */
  readonly firstSeenMs: number
}

/**
 * Tracks how long each record has been seen unchanged. A holder changes its record several times per lease, and serves
 * no longer than one lease after its last change. So a host that has watched a record for longer than that, by its own
 * clock, knows that the holder no longer serves, whatever any other clock says.
 */
export class RecordWatch {
  readonly #monotonicMs: () => number
  #sightings: Sighting[] = []
  #highestToken = 0

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** The records as last seen. */
  get records(): readonly LeaseRecord[] {
    return this.#sightings.map(({ record }) => record)
  }

  /** The highest token seen: a new grant must have a higher one, even if the store has lost it. */
  get highestToken(): number {
    return this.#highestToken
  }

  /** Must be called when the store's answer arrives, with all of its records. */
  observe(records: readonly LeaseRecord[]): void {
    const nowMs = this.#monotonicMs()
    this.#sightings = records.map((record, at) => {
      const before = this.#sightings[at]
      return before?.record.id === record.id ? before : { record, firstSeenMs: nowMs }
    })
    for (const { token } of records) this.noteToken(token)
  }

  noteToken(token: number): void {
    this.#highestToken = Math.max(this.#highestToken, token)
  }

  /** For each record, the id under which it has expired, or ''. */
  expired(): string[] {
    const nowMs = this.#monotonicMs()
    return this.#sightings.map((sighting) =>
      expiryMs(sighting) <= nowMs ? sighting.record.id : '',
    )
  }

  /** How long until the first of the records expires, in milliseconds. */
  get nextExpiryInMs(): number {
    const nowMs = this.#monotonicMs()
    return Math.max(0, Math.min(...this.#sightings.map(expiryMs)) - nowMs)
  }

  /** Forgets the records, but not the highest token. */
  reset(): void {
    this.#sightings = []
  }
}

function expiryMs({ record, firstSeenMs }: Sighting): number {
  return firstSeenMs + expiryFactor * record.ttlMs + marginMs
}
