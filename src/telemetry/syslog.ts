import { type ChildProcess, spawn } from 'node:child_process'
import { withDeadline } from '../async/with-deadline.ts'
import { messageOf } from '../errors.ts'
import { startProcess } from '../process/start-process.ts'
import { lines } from './lines.ts'
import { syslogLine } from './syslog-line.ts'
import { loggerArguments } from './syslog-target.ts'

/** The delay before a new sender is started after one has ended, in milliseconds. */
const retryAfterMs = 5_000
/** The number of bytes that may wait to be sent; lines beyond that are dropped. */
const maxWaitingBytes = 1_048_576
/** How long the last lines may take at the end, in milliseconds. */
const farewellMs = 1_000

export interface SyslogOptions {
  /** The value of `log.syslog`; not `off`. */
  readonly target: string
  readonly service: string
  readonly pid: number
  /** Called once with the reason why lines do not arrive. */
  readonly onTrouble: (reason: string) => void
  /** The program that sends the lines. */
  readonly program?: string
}

/**
 * Sends log lines to syslog through one long-lived logger(1). It never holds up the service: lines that cannot be
 * sent are dropped, as syslog(3) would do.
 */
export class Syslog {
  readonly #options: SyslogOptions
  #child: ChildProcess | undefined
  #retry: NodeJS.Timeout | undefined
  #isTold = false
  #isClosed = false

  constructor(options: SyslogOptions) {
    this.#options = options
    this.#start()
  }

  /** Sends a log line. */
  write(line: string): void {
    const stdin = this.#child?.stdin
    if (stdin === null || stdin === undefined || !stdin.writable) return
    if (stdin.writableLength > maxWaitingBytes)
      this.#trouble('it does not accept lines fast enough')
    else stdin.write(syslogLine(line))
  }

  /** Sends the remaining lines and ends; resolves when that is done, or has taken too long. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    const child = this.#child
    if (child === undefined) return
    const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
    child.stdin?.end()
    await withDeadline(closed, farewellMs, () => {
      child.kill('SIGKILL')
      return closed
    })
  }

  #start(): void {
    const { program = 'logger', target } = this.#options
    // In a session of its own: Ctrl-C in a terminal is meant for the service, whose last lines logger has yet to
    // send.
    const run = () =>
      spawn(program, loggerArguments(target, this.#options), {
        stdio: ['pipe', 'ignore', 'pipe'],
        detached: true,
      })
    const child = startProcess(program, run, (error) => this.#ended(error.message))
    this.#child = child
    child?.stderr?.on(
      'data',
      lines((line) => this.#trouble(line.toString())),
    )
    // The end of the process is handled separately.
    child?.stdin?.on('error', () => {})
    child?.on('error', (error) => this.#trouble(messageOf(error)))
    child?.once('close', (status, signal) =>
      this.#ended(`${program} ended (${signal ?? `status ${status}`})`),
    )
  }

  #ended(reason: string): void {
    this.#child = undefined
    if (this.#isClosed) return
    this.#trouble(reason)
    this.#retry = setTimeout(() => this.#start(), retryAfterMs)
    this.#retry.unref()
  }

  #trouble(reason: string): void {
    if (this.#isTold) return
    this.#isTold = true
    this.#options.onTrouble(reason)
  }
}
