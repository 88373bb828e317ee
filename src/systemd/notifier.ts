import { execFile } from 'node:child_process'
import { cleanEnvironment } from '../config/environment.ts'
import { type Endpoint, endpointText } from '../endpoint.ts'
import type { ReloadResult } from '../status.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'

/** systemd-notify itself waits five seconds at most for the service manager to have read the message. */
const sendTimeoutMs = 10_000

/**
 * Tells the service manager how the service is (sd_notify(3)), when it wants to know.
 *
 * It listens on a datagram socket of the Unix domain. Node.js has none, and the packages that add them are
 * native code, which a daemon that otherwise needs no compiler should not be built for. So the program
 * `systemd-notify` sends it, which is there wherever systemd is. The message then comes from another
 * process than the service's, hence `NotifyAccess=all` in the unit. Not with `--no-block`: it would have
 * ended before systemd looked up whose message it was, and the message would be dropped.
 */
export class Notifier {
  readonly #socket: string | undefined
  readonly #log: Logger
  /** Messages are sent one after the other: the order of the states matters. */
  #last: Promise<void> = Promise.resolve()
  #reloads = 0

  /** @param socket - the service manager's address, `NOTIFY_SOCKET`; undefined when it does not want to know */
  constructor(socket: string | undefined, log: Logger) {
    this.#socket = socket
    this.#log = log
  }

  /** The service serves. */
  serving(at: Endpoint): void {
    this.#send('READY=1', `STATUS=Serving on ${endpointText(at)}`)
  }

  /** The service is ready to serve when it may. */
  standingBy(reason: string): void {
    this.#send('READY=1', `STATUS=Standing by: ${oneLine(reason)}`)
  }

  /** A reload has begun; `outcome` says when it has ended, and how. */
  reloading(outcome: Promise<ReloadResult>): void {
    this.#reloads += 1
    // The time is what Type=notify-reload wants: CLOCK_MONOTONIC, which is hrtime's.
    const nowUs = process.hrtime.bigint() / 1_000n
    if (this.#reloads === 1) this.#send('RELOADING=1', `MONOTONIC_USEC=${nowUs}`)
    void outcome.then(({ reason }) => {
      this.#reloads -= 1
      const status = reason === null ? 'Reloaded' : `Reload failed, serving as before: ${reason}`
      if (this.#reloads === 0) this.#send('READY=1', `STATUS=${oneLine(status)}`)
    })
  }

  /** The service is on its way to its end. */
  stopping(cause: string): void {
    this.#send('STOPPING=1', `STATUS=Draining: ${cause}`)
  }

  #send(...fields: readonly string[]): void {
    const socket = this.#socket
    if (socket === undefined) return
    this.#last = this.#last.then(() => this.#notify(socket, fields))
  }

  /** The service does not depend on being heard: a failure is logged, and that is all. */
  #notify(socket: string, fields: readonly string[]): Promise<void> {
    const env = { ...cleanEnvironment({}), NOTIFY_SOCKET: socket }
    return new Promise((resolve) => {
      try {
        execFile('systemd-notify', fields, { env, timeout: sendTimeoutMs }, (error, _, stderr) => {
          if (error !== null) this.#failed(fields, stderr.trim() || error.message)
          resolve()
        })
      } catch (error) {
        this.#failed(fields, messageOf(error))
        resolve()
      }
    })
  }

  #failed(fields: readonly string[], reason: string): void {
    this.#log.warn({ fields, reason }, 'Cannot notify the service manager')
  }
}

/** A message has one field a line. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}
