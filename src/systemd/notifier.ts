import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { InterruptibleSleep } from '../async/interruptible-sleep.ts'
import { ownEnvironment } from '../config/environment.ts'
import { type RespawnPolicy, respawnDelayMs } from '../lifecycle/respawn.ts'
import { startProcess } from '../process/start-process.ts'
import type { ReloadResult } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { visible } from '../visible-text.ts'

/** systemd-notify itself waits at most five seconds for the service manager to have read the message. */
const sendTimeoutMs = 10_000
/** The delays before an unsent message is retried. */
const retryPolicy: Pick<RespawnPolicy, 'baseMs' | 'capMs'> = { baseMs: 500, capMs: 30_000 }

/**
 * Reports the state of the service to the service manager (sd_notify(3)), if that has asked for it.
 *
 * The service manager listens on a Unix datagram socket. Node.js has none, and the packages that add them are native
 * code, for which a daemon that otherwise needs no compiler should not have to be built. So messages are sent by the
 * program `systemd-notify`, which is there wherever systemd is. A message then comes from a process other than the
 * service's, hence `NotifyAccess=all` in the unit. `--no-block` is not used: systemd-notify would have ended before
 * systemd looked up the sender, and the message would be dropped.
 */
export class Notifier {
  readonly #socket: string | undefined
  readonly #log: Logger
  /** Messages are sent one after the other: the order of the states matters. */
  #last: Promise<void> = Promise.resolve()
  #sent = 0
  /** Cuts short the retry delay of a message that is out of date. */
  readonly #newer = new InterruptibleSleep()
  #reloads = 0

  /** @param socket - the service manager's address, `NOTIFY_SOCKET`; undefined when it has not asked for messages */
  constructor(socket: string | undefined, log: Logger) {
    this.#socket = socket
    this.#log = log
  }

  /** The service serves at these endpoints. */
  serving(endpoints: string): void {
    this.#send('READY=1', `STATUS=Serving on ${endpoints}`)
  }

  /** The service is ready, but may not serve yet. */
  standingBy(reason: string): void {
    this.#send('READY=1', `STATUS=Standing by: ${oneLine(reason)}`)
  }

  /** A reload has begun; `outcome` settles when it has ended. */
  reloading(outcome: Promise<ReloadResult>): void {
    this.#reloads += 1
    // Type=notify-reload requires a CLOCK_MONOTONIC time, which is hrtime's clock.
    const nowUs = process.hrtime.bigint() / 1_000n
    if (this.#reloads === 1) this.#send('RELOADING=1', `MONOTONIC_USEC=${nowUs}`)
    void outcome.then(({ reason }) => {
      this.#reloads -= 1
      const status = reason === null ? 'Reloaded' : `Reload failed, serving as before: ${reason}`
      if (this.#reloads === 0) this.#send('READY=1', `STATUS=${oneLine(status)}`)
    })
  }

  /** The service is draining. */
  stopping(cause: string): void {
    this.#send('STOPPING=1', `STATUS=Draining: ${oneLine(cause)}`)
  }

  #send(...fields: readonly string[]): void {
    const socket = this.#socket
    if (socket === undefined) return
    this.#sent += 1
    const number = this.#sent
    this.#newer.now()
    this.#last = this.#last.then(() => this.#deliver(socket, fields, number))
  }

  /**
   * Retries until the message is delivered or a newer state has replaced it. The service does not depend on delivery.
   */
  async #deliver(socket: string, fields: readonly string[], number: number): Promise<void> {
    for (let failures = 1; ; failures += 1) {
      const failure = await notify(socket, fields)
      if (failure === undefined) return
      if (failures === 1) {
        this.#log.warn({ fields, reason: failure.message }, 'Cannot notify the service manager')
      }
      if (number < this.#sent) return
      await this.#newer.sleep(respawnDelayMs(failures + 1, Math.random(), retryPolicy))
      if (number < this.#sent) return
    }
  }
}

/** Sends one message; resolves with the error that prevented it, if any. */
function notify(socket: string, fields: readonly string[]): Promise<Error | undefined> {
  const env = { ...ownEnvironment(), NOTIFY_SOCKET: socket }
  const program = 'systemd-notify'
  return new Promise((resolve) => {
    const run = () =>
      spawn(program, fields, { env, timeout: sendTimeoutMs, stdio: ['ignore', 'ignore', 'pipe'] })
    const child = startProcess(program, run, resolve)
    if (child === undefined) return
    child.on('error', resolve)
    const said = child.stderr === null ? Promise.resolve('') : text(child.stderr)
    child.once('close', (status, signal) => {
      if (status === 0) resolve(undefined)
      else {
        const end = `${program} ended (${signal ?? `status ${status}`})`
        void said.then((words) => resolve(new Error(words.trim() || end)))
      }
    })
  })
}

/** A message has one field per line. */
function oneLine(words: string): string {
  return visible(words.replaceAll(/\s+/g, ' '))
}
