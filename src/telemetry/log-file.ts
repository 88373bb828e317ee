import {
  closeSync,
  constants,
  copyFileSync,
  fchownSync,
  fstatSync,
  ftruncateSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import type { DestinationStream } from 'pino'
import { codeOf, messageOf } from '../errors.ts'
import { withFile } from '../files/file-error.ts'
import { identityOf } from '../files/file-identity.ts'
import { isTorn, openLog } from './open-log.ts'

const newline = 10

/** A log file is cut when it reaches this size; one previous part is kept beside it. */
export const maxLogBytes = 8 * 1024 * 1024

/** A log that is over its size but must not be cut is checked again when it has grown by this fraction of it. */
const checkAgainPart = 1 / 64

/** Where the system allows less than the size at which it is cut, it is cut at this fraction of what the system allows. */
const allowedPart = 7 / 8

/** The file that keeps the part before the cut. It is not "log.1", which is logrotate(8)'s name for a renamed log. */
export const rotatedName = (path: string) => `${path}.old`

/**
 * A daemon's log file. Only the primary appends to it, so it can be cut without losing a line.
 *
 * It is cut in place rather than renamed, because the process's own standard error, where the runtime writes its last
 * words, is this same open file. Other programs, such as logrotate(8), rename it: then `reopen` continues in the file
 * that is now at the path, and nothing in theirs is cut.
 */
export class LogFile implements DestinationStream {
  readonly #path: string
  #maxBytes: number
  #fd: number
  #bytes = 0
  /** The size at which the file is checked, and perhaps cut. */
  #limit: number
  #lost = 0
  #lossReason = ''
  /** Whether the last line was cut short, and its rest lost. */
  #isTorn = false
  /** The number of other processes that append to the same file. */
  #sharers = 0

  /** @throws HelloserverError `BAD_CONFIG` when the path leads to something that is not a log */
  constructor(path: string, maxBytes = maxLogBytes) {
    this.#path = path
    this.#maxBytes = maxBytes
    this.#limit = maxBytes
    this.#fd = withFile('open the log', path, () => openLog(path))
    this.#begin()
  }

  /** Whether the open file is the one at the path. */
  get isThere(): boolean {
    return identityOf(this.#path) === identityOf(this.#fd)
  }

  /** Gives the open file to another user, who has to cut and reopen it from now on. */
  giveTo(uid: number, gid: number): void {
    fchownSync(this.#fd, uid, gid)
  }

  /**
   * Continues in the file at the path, which is created if missing. Lines written before stay in the former file.
   *
   * @throws HelloserverError `BAD_CONFIG` when the file cannot be opened; then the former file stays in use
   */
  reopen(): void {
    if (this.isThere) return
    const former = this.#fd
    this.#fd = openLog(this.#path)
    closeSync(former)
    this.#begin()
  }

  /**
   * Leaves the file uncut until `alone` resolves, because another process appends to it, too: anything that it wrote
   * between the copy and the cut would be lost.
   */
  share(alone: Promise<void>): void {
    this.#sharers += 1
    void alone.then(() => {
      this.#sharers -= 1
    })
  }

  /**
   * Appends a line that ends in a newline. A full disk, or a limit on the size of files (RLIMIT_FSIZE), loses lines, not
   * the service; the number of lost lines is logged later, with the reason.
   */
  write(line: string | Uint8Array): void {
    try {
      if (this.#bytes >= this.#limit) this.#bound()
      if (this.#lost > 0) this.#tellLost()
      this.#append(line)
    } catch (error) {
      this.#lost += 1
      this.#lossReason = messageOf(error)
      if (codeOf(error) === 'EFBIG') this.#stayBelow(fstatSync(this.#fd).size)
    }
  }

  #tellLost(): void {
    this.#warn({ lost: this.#lost, reason: this.#lossReason, msg: 'Log lines were lost' })
    this.#lost = 0
  }

  /** The system allows no more bytes than these: unless it is cut earlier, it would take no line any more. */
  #stayBelow(allowedBytes: number): void {
    this.#maxBytes = Math.min(this.#maxBytes, Math.floor(allowedBytes * allowedPart))
    this.#limit = this.#maxBytes
  }

  #begin(): void {
    this.#bytes = fstatSync(this.#fd).size
    this.#limit = this.#maxBytes
    this.#isTorn = isTorn(this.#fd)
  }

  #warn(what: Readonly<Record<string, unknown>>): void {
    // The time also makes the first line after a cut unique, as followers require.
    const line = { level: 'warn', time: new Date().toISOString(), ...what }
    this.#append(`${JSON.stringify(line)}\n`)
  }

  /** Throws when the line could not be written completely; its beginning may be there. */
  #append(line: string | Uint8Array): void {
    const bytes = Buffer.from(line)
    const whole = this.#isTorn ? Buffer.concat([Buffer.of(newline), bytes]) : bytes
    // When there is no room for all of it, the second write fails, and tells why.
    for (let from = 0; from < whole.length; ) {
      const written = writeSync(this.#fd, whole, from)
      from += written
      this.#bytes += written
      this.#isTorn = from < whole.length && whole[from - 1] !== newline
    }
  }

  /** Keeps the file within its size, if this process may cut it. */
  #bound(): void {
    if (this.isThere) {
      // Other processes may have cut the file, or written to it.
      this.#bytes = fstatSync(this.#fd).size
      this.#limit = this.#maxBytes
      if (this.#bytes < this.#limit) return
      if (this.#sharers === 0) {
        this.#cut()
        return
      }
    }
    this.#limit = this.#bytes + this.#maxBytes * checkAgainPart
  }

  /** A full disk must not prevent the cut, which makes room on it. */
  #cut(): void {
    const failure = this.#keep()
    ftruncateSync(this.#fd)
    this.#bytes = 0
    this.#isTorn = false
    if (failure !== undefined) {
      this.#warn({ reason: messageOf(failure), msg: 'Cannot keep the previous part of the log' })
    }
  }

  /** Uses a temporary file and a rename: whatever has that name is replaced, and neither opened nor followed. */
  #keep(): unknown {
    const kept = rotatedName(this.#path)
    const temporary = `${kept}.${process.pid}`
    try {
      rmSync(temporary, { force: true })
      this.#copyTo(temporary)
      renameSync(temporary, kept)
      return undefined
    } catch (error) {
      rmSync(temporary, { force: true })
      return error
    }
  }

  /** Copies the open file, even if it was renamed in this very moment; without /proc, the one at the path. */
  #copyTo(temporary: string): void {
    try {
      copyFileSync(`/proc/self/fd/${this.#fd}`, temporary, constants.COPYFILE_EXCL)
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error
      copyFileSync(this.#path, temporary, constants.COPYFILE_EXCL)
    }
  }
}
