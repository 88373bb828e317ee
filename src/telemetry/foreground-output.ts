import { constants, fstatSync, openSync, writeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { codeOf } from '../errors.ts'
import type { LogDestination } from './logger.ts'

/** The number of bytes that may wait for the reader; lines beyond that are dropped. */
const maxWaitingBytes = 1_048_576
/** How often to try whether the reader takes more, in milliseconds. */
const retryEveryMs = 50
/** How long the last lines may wait for the reader, in milliseconds. */
const farewellMs = 1_000

/** Text that is to be written, and the number of log lines that are lost with it. */
interface Entry {
  readonly bytes: Buffer
  readonly lines: number
}

/**
 * Standard output as a log that never waits for its reader: a terminal that is held (Ctrl-S), a pager, or a collector
 * of logs that hangs would otherwise hold up the whole service. Lines wait in a bounded buffer; when it is full, they
 * are dropped, and their number is logged later.
 *
 * As long as the reader reads, a line is written when `write` returns, so that the last line before an exit is not lost.
 */
export class ForegroundOutput implements LogDestination {
  readonly #fd: number
  readonly #format: (line: string) => string
  readonly #waiting: Entry[] = []
  #waitingBytes = 0
  #lost = 0
  #retry: NodeJS.Timeout | undefined

  /**
   * @param fd - a descriptor whose writes fail rather than wait, see `unblocked`
   * @param format - turns a log line into the text to be written
   */
  constructor(fd: number, format: (line: string) => string = (line) => line) {
    this.#fd = fd
    this.#format = format
  }

  write(line: string): void {
    if (this.#waitingBytes > maxWaitingBytes) {
      this.#lost += 1
      return
    }
    this.#tellLost()
    this.#add(line, 1)
    if (this.#retry === undefined) this.#flush()
  }

  /** Resolves when everything is written, or the reader has taken nothing for too long. */
  async close(): Promise<void> {
    const untilMs = performance.now() + farewellMs
    while (this.#waiting.length > 0 && performance.now() < untilMs) await delay(retryEveryMs)
  }

  #add(line: string, lines: number): void {
    const bytes = Buffer.from(this.#format(line))
    this.#waiting.push({ bytes, lines })
    this.#waitingBytes += bytes.length
  }

  #tellLost(): void {
    const lost = this.#lost
    if (lost === 0) return
    this.#lost = 0
    const time = new Date().toISOString()
    this.#add(
      `${JSON.stringify({ level: 'warn', time, lost, msg: 'Log lines were lost' })}\n`,
      lost,
    )
  }

  #flush(): void {
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      const written = this.#try(next)
      if (written < next.bytes.length) {
        this.#waiting[0] = { ...next, bytes: next.bytes.subarray(written) }
        this.#waitingBytes -= written
        this.#retry = setTimeout(() => this.#resume(), retryEveryMs).unref()
        return
      }
      this.#waiting.shift()
      this.#waitingBytes -= written
    }
  }

  #resume(): void {
    this.#retry = undefined
    this.#flush()
    if (this.#retry !== undefined) return
    this.#tellLost()
    this.#flush()
  }

  /** How many bytes are dealt with: all of them when they are lost, since the reader is gone or a disk is full. */
  #try({ bytes, lines }: Entry): number {
    try {
      return writeSync(this.#fd, bytes)
    } catch (error) {
      if (codeOf(error) === 'EAGAIN') return 0
      this.#lost += lines
      return bytes.length
    }
  }
}

/**
 * A descriptor of the same pipe or terminal as standard output, whose writes fail with EAGAIN where they would wait.
 *
 * It is opened anew, since the flag would otherwise hold for every process that has standard output open, such as the
 * shell. A socket, as service managers give it, cannot be opened anew: there Node's own stream sets the flag. A file
 * never waits for a reader.
 */
export function unblocked(): number {
  const stdout = 1
  const stats = fstatSync(stdout)
  if (stats.isSocket()) void process.stdout
  if (!stats.isFIFO() && !stats.isCharacterDevice()) return stdout
  const { O_WRONLY, O_NONBLOCK, O_NOCTTY } = constants
  try {
    return openSync(`/proc/self/fd/${stdout}`, O_WRONLY | O_NONBLOCK | O_NOCTTY)
  } catch {
    // Another user's terminal (su), or no /proc: then writing waits, as for most programs.
    return stdout
  }
}
