import { appendFileSync, closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'

/** What a contender says about itself; times are those of the monotonic clock that all processes here share, in ms. */
export type Entry =
  /** It believes that it may serve, from now on and until `untilMs`; null is until further notice. */
  | {
      readonly kind: 'held'
      readonly atMs: number
      readonly token: number
      readonly untilMs: number | null
    }
  | { readonly kind: 'extended'; readonly atMs: number; readonly untilMs: number }
  /** It knows that it may serve no more. */
  | { readonly kind: 'ended'; readonly atMs: number; readonly cause: string }
  /** Why it cannot have it at the moment. */
  | { readonly kind: 'waits'; readonly atMs: number; readonly reason: string }

/**
 * A file to which one process appends and that another one reads. An entry is written before the process that makes
 * it goes on, so it is there even if that process is killed the moment after.
 */
export class Journal<T> {
  readonly #file: string
  #readBytes = 0

  constructor(file: string) {
    this.#file = file
  }

  write(...entries: readonly T[]): void {
    appendFileSync(this.#file, entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''))
  }

  /** What was written since the last call. */
  read(): T[] {
    if (!existsSync(this.#file)) return []
    const text = this.#unread().toString('latin1')
    const whole = text.slice(0, text.lastIndexOf('\n') + 1)
    this.#readBytes += whole.length
    return whole
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as T)
  }

  #unread(): Buffer {
    const file = openSync(this.#file, 'r')
    try {
      const bytes = Buffer.alloc(fstatSync(file).size - this.#readBytes)
      return bytes.subarray(0, readSync(file, bytes, 0, bytes.length, this.#readBytes))
    } finally {
      closeSync(file)
    }
  }
}
