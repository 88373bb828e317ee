import { copyFileSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import type { DestinationStream } from 'pino'

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
      if (this.#lost > 0)
        this.#append(
          `${JSON.stringify({ level: 'warn', lost: this.#lost, msg: 'Log lines lost' })}\n`,
        )
      this.#lost = 0
      this.#append(line)
    } catch {
      this.#lost += 1
    }
  }

  #append(line: string | Uint8Array): void {
    const bytes = typeof line === 'string' ? Buffer.from(line) : line
    this.#bytes += writeSync(this.#fd, bytes)
  }

  #cut(): void {
    copyFileSync(this.#path, rotatedName(this.#path))
    ftruncateSync(this.#fd)
    this.#bytes = 0
  }
}
