import {
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  ftruncateSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import type { DestinationStream } from 'pino'
import { messageOf } from '../errors.ts'
import { withFile } from '../file-error.ts'
import { identityOf } from '../files/identity.ts'
import { isTorn, openLog } from './open-log.ts'

const newline = 10

/** A log file is cut when it reaches this size; the part before is kept beside it, once. */
export const maxLogBytes = 8 * 1024 * 1024

/** A log that has reached its size and must not be cut is looked at again when it has grown by this part of it. */
const lookAgainPart = 1 / 64

/** Where the part before the cut is kept: not as "log.1", which is where logrotate(8) keeps what it has renamed. */
export const rotatedName = (path: string) => `${path}.old`

/**
 * A daemon's log file: appended to by the primary alone, so that it can be cut without losing a line.
 *
 * It is cut in place rather than renamed, because the process's own standard error, where the runtime
 * writes its last words, is this same open file. Others rename it, as logrotate(8) does: then `reopen` goes on
 * in the file that is at the path by now, and nothing of theirs is cut.
 */
export class LogFile implements DestinationStream {
  readonly #path: string
  readonly #maxBytes: number
  #fd: number
  #bytes = 0
  /** At this size the file is looked at, and perhaps cut. */
  #limit: number
  #lost = 0
  /** The last line was cut short, and its rest is lost. */
  #isTorn = false
  /** Other processes that append to the same file. */
  #sharers = 0

  /** @throws HelloserverError `BAD_CONFIG` when the path leads to something that is no log */
  constructor(path: string, maxBytes = maxLogBytes) {
    this.#path = path
    this.#maxBytes = maxBytes
    this.#limit = maxBytes
    this.#fd = withFile('open the log', path, () => openLog(path))
    this.#begin()
  }

  /** Whether the file that is written to is the one at the path. */
  get isThere(): boolean {
    return identityOf(this.#path) === identityOf(this.#fd)
  }

  /**
   * Goes on in the file at the path, and makes it when it is missing. Lines that were written until now stay in
   * the file that was there.
   *
   * @throws HelloserverError `BAD_CONFIG` when that cannot be opened; the former file is written to as before
   */
  reopen(): void {
    if (this.isThere) return
    const former = this.#fd
    this.#fd = openLog(this.#path)
    closeSync(former)
    this.#begin()
  }

  /**
   * Leaves the file uncut until `alone` resolves, because another process appends to it, too: what that one
   * writes between the copy and the cut would be lost.
   */
  share(alone: Promise<void>): void {
    this.#sharers += 1
    void alone.then(() => {
      this.#sharers -= 1
    })
  }

  /** Appends a line that ends in a newline. A full disk loses lines, not the service; how many is written later. */
  write(line: string | Uint8Array): void {
    try {
      if (this.#bytes >= this.#limit) this.#bound()
      if (this.#lost > 0) this.#warn({ lost: this.#lost, msg: 'Log lines lost' })
      this.#lost = 0
      this.#append(line)
    } catch {
      this.#lost += 1
    }
  }

  #begin(): void {
    this.#bytes = fstatSync(this.#fd).size
    this.#limit = this.#maxBytes
    this.#isTorn = isTorn(this.#fd)
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

  /** Keeps the file within its size, as far as it is ours to cut. */
  #bound(): void {
    if (this.isThere) {
      // Others may have cut it, or written to it.
      this.#bytes = fstatSync(this.#fd).size
      this.#limit = this.#maxBytes
      if (this.#bytes < this.#limit) return
      if (this.#sharers === 0) {
        this.#cut()
        return
      }
    }
    this.#limit = this.#bytes + this.#maxBytes * lookAgainPart
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

  /** By temporary file and rename: whatever is at that name is replaced, and neither opened nor followed. */
  #keep(): unknown {
    const kept = rotatedName(this.#path)
    const temporary = `${kept}.${process.pid}`
    try {
      rmSync(temporary, { force: true })
      copyFileSync(`/proc/self/fd/${this.#fd}`, temporary, constants.COPYFILE_EXCL)
      renameSync(temporary, kept)
      return undefined
    } catch (error) {
      rmSync(temporary, { force: true })
      return error
    }
  }
}
