import { copyFileSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'
import { messageOf } from '../errors.ts'

const newline = 10

/** A log file is cut when it reaches this size; the part before is kept beside it, once. */
export const maxLogBytes = 8 * 1024 * 1024

/** Where the part before the cut is kept. */
export const rotatedName = (path: string) => `${path}.1`

/**
 * A daemon's log file: appended to by the primary alone, so that it can be cut without losing a line.
 *
 * It is cut in place rather than renamed, because the process's own standard error, where the runtime
 * writes its last words, is this same open file.
 */
export class LogFile implements DestinationStream {
  readonly #path: string
  readonly #fd: number
  readonly #maxBytes: number
  #bytes: number
  #lost = 0
  /** The last line was cut short, and its rest is lost. */
  #isTorn = false

  constructor(path: string, maxBytes = maxLogBytes) {
    this.#path = path
    this.#fd = openSync(path, 'a', 0o600)
    this.#maxBytes = maxBytes
    this.#bytes = fstatSync(this.#fd).size
  }

  /** Appends a line that ends in a newline. A full disk loses lines, not the service; how many is written later. */
  write(line: string | Uint8Array): void {
    try {
      if (this.#bytes >= this.#maxBytes) this.#cut()
      if (this.#lost > 0) this.#warn({ lost: this.#lost, msg: 'Log lines lost' })
      this.#lost = 0
      this.#append(line)
    } catch {
      this.#lost += 1
    }
  }

  #warn(what: Readonly<Record<string, unknown>>): void {
    // The time also makes the first line after a cut unlike any other, as its followers need.
    const line = { level: 'warn', time: new Date().toISOString(), ...what }
    this.#append(`${JSON.stringify(line)}\n`)
  }

  /** Throws when the line could not be written whole. */
  #append(line: string | Uint8Array): void {
    const bytes = Buffer.from(line)
    const whole = this.#isTorn ? Buffer.concat([Buffer.of(newline), bytes]) : bytes
    const written = writeSync(this.#fd, whole)
    this.#bytes += written
    if (written > 0) this.#isTorn = written < whole.length && whole[written - 1] !== newline
    if (written < whole.length) throw new Error(`Only ${written} of ${whole.length} bytes written`)
  }

  /** A full disk must not keep the log from being cut: that is what makes room on it. */
  #cut(): void {
    const failure = this.#keep()
    ftruncateSync(this.#fd)
    this.#bytes = 0
    this.#isTorn = false
    if (failure !== undefined) {
      this.#warn({ reason: messageOf(failure), msg: 'The part before could not be kept' })
    }
  }

  #keep(): unknown {
    try {
      copyFileSync(this.#path, rotatedName(this.#path))
      return undefined
    } catch (error) {
      return error
    }
  }
}
