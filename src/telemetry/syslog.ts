import { type ChildProcess, spawn } from 'node:child_process'
import { messageOf } from '../errors.ts'
import { startProcess } from '../start-process.ts'
import { lines } from './lines.ts'
import { syslogLine } from './syslog-line.ts'
import { loggerArguments } from './syslog-target.ts'

/** When the program that sends lines has ended, another is started after so long, in milliseconds. */
const retryAfterMs = 5_000
/** So many bytes may wait to be sent; what comes on top is left out. */
const maxWaitingBytes = 1_048_576
/** How long the last lines may take at the end, in milliseconds. */
const farewellMs = 1_000

export interface SyslogOptions {
  /** As `log.syslog` has it; not `off`. */
  readonly target: string
  readonly service: string
  readonly pid: number
  /** Told why lines do not arrive, once. */
  readonly onTrouble: (reason: string) => void
  /** The program that sends them. */
  readonly program?: string
}

/**
 * Sends log lines to syslog, through one logger(1) that stays. Nothing of that ever holds up the service: what
 * cannot be sent is left out, as syslog(3) would.
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

  /** Sends a line of our log. */
  write(line: string): void {
    const stdin = this.#child?.stdin
    if (stdin === null || stdin === undefined || !stdin.writable) return
    if (stdin.writableLength > maxWaitingBytes) this.#trouble('it does not take lines fast enough')
    else stdin.write(syslogLine(line))
  }

  /** Sends what is still to be sent, and ends; resolves when that is done, or has taken too long. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#retry)
    const child = this.#child
    if (child === undefined) return
    await new Promise<void>((resolve) => {
      const killing = setTimeout(() => child.kill('SIGKILL'), farewellMs)
      child.once('close', () => {
        clearTimeout(killing)
        resolve()
      })
      child.stdin?.end()
    })
  }

  #start(): void {
    const { program = 'logger', target } = this.#options
    // In a session of its own: Ctrl-C in a terminal is for the service, whose last lines it has to send.
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
    // Its end is heard of by itself.
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
