/** A record of the lease, as a host that wants it sees it. */
export interface Observation {
  readonly state: 'free' | 'held' | 'grace'
  /** Who has it, or had it last; empty when nobody is known. */
  readonly host: string
  readonly holder: string
  readonly token: number
  /** Names this state of the record: it is another after each change. */
  readonly id: string
  /** How long a hold lasts, in milliseconds. */
  readonly ttlMs: number
  /** When it was granted, by the clock of Redis. */
  readonly sinceMs: number
}

/** A holder stops at 0.98 of its lease; the rest is what two monotonic clocks may differ by in that time. */
const patience = 1.02
const marginMs = 300

/**
 * How long each record has been seen unchanged. A holder changes its record several times in each of its leases, and
 * serves no longer than one lease after the last change: whoever has watched for longer than that, by its own
 * clock, knows that it serves no more, whatever any other clock says.
 */
export class Observations {
  readonly #monotonicMs: () => number
  #seen: { readonly record: Observation; readonly sinceMs: number }[] = []
  #highestToken = 0

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs
  }

  /** What was seen last. */
  get records(): readonly Observation[] {
    return this.#seen.map(({ record }) => record)
  }

  /** A grant must have a higher one than this, even where the server has lost it. */
  get highestToken(): number {
    return this.#highestToken
  }

  /** To be called when the server's answer has arrived, with all of its records. */
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

  /** For each record the state that was seen for long enough, or ''. */
  matured(): string[] {
    const nowMs = this.#monotonicMs()
    return this.#seen.map((seen) => (maturesAtMs(seen) <= nowMs ? seen.record.id : ''))
  }

  /** How long until the first of them will have been seen for long enough, in milliseconds. */
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
