/** A record of the lease, as seen by a host that wants it. */
export interface Observation {
  readonly state: 'free' | 'held' | 'grace'
  /** The current or last holder; empty when none is known. */
  readonly host: string
  readonly holder: string
  readonly token: number
  /** Identifies this state of the record; every change yields a new one. */
  readonly id: string
  /** How long a hold lasts, in milliseconds. */
  readonly ttlMs: number
  /** When the lease was granted, by the clock of Redis. */
  readonly sinceMs: number
}

/** A holder stops at 0.98 of its lease; the rest allows for the drift between two monotonic clocks in that time. */
const patience = 1.02
const marginMs = 300

/**
 * Tracks how long each record has been seen unchanged. A holder changes its record several times per lease, and
 * serves no longer than one lease after its last change. So a host that has watched for longer than that, by its own
 * clock, knows that the holder no longer serves, whatever any other clock says.
 */
export class Observations {
  readonly #monotonicMs: () => number
  #seen: { readonly record: Observation; readonly sinceMs: number }[] = []
  #highestToken = 0

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** The records as last seen. */
  get records(): readonly Observation[] {
    return this.#seen.map(({ record }) => record)
  }

  /** The highest token seen: a new grant must have a higher one, even if the server has lost it. */
  get highestToken(): number {
    return this.#highestToken
  }

  /** Must be called when the server's answer arrives, with all of its records. */
  see(records: readonly Observation[]): void {
    const nowMs = this.#monotonicMs()
    this.#seen = records.map((record, at) => {
      const before = this.#seen[at]
      return before?.record.id === record.id ? before : { record, sinceMs: nowMs }
    })
    for (const { token } of records) this.noteToken(token)
  }

  noteToken(token: number): void {
    this.#highestToken = Math.max(this.#highestToken, token)
  }

  /** For each record, the state that has been seen for long enough, or ''. */
  matured(): string[] {
    const nowMs = this.#monotonicMs()
    return this.#seen.map((seen) => (maturesAtMs(seen) <= nowMs ? seen.record.id : ''))
  }

  /** How long until the first of the records will have been seen for long enough, in milliseconds. */
  get nextInMs(): number {
    const nowMs = this.#monotonicMs()
    return Math.max(0, Math.min(...this.#seen.map(maturesAtMs)) - nowMs)
  }

  forget(): void {
    this.#seen = []
  }
}

function maturesAtMs({ record, sinceMs }: { record: Observation; sinceMs: number }): number {
  return sinceMs + patience * record.ttlMs + marginMs
}
