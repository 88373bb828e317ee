import type { App, Context } from '../app/app.ts'
import { type Clock, systemClock, type Timer } from '../clock.ts'
import { codeOf } from '../errors.ts'
import { type Progress, type Reason, type Step, type Traffic, uncounted } from '../ipc/progress.ts'
import type {
  ConnectionLease,
  WorkerBoot,
  WorkerLease,
  WorkerView,
} from '../ipc/worker-messages.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Alarm } from './alarm.ts'
import { type Alarms, Connection } from './connection.ts'
import type { Arrival, Handler, Intake } from './intake.ts'
import type { Transport } from './transport.ts'

/** The app's context; its lease changes from connection to connection. */
export type WorkerContext = Omit<Context, 'lease'> & { lease: ConnectionLease | null }

/**
 * One worker: handles one connection at a time, and reports how it ended.
 *
 * A connection that ends badly is that client's loss only. An error that the worker must not survive (an
 * exception outside any handler) ends the process, and the primary starts another.
 */
export class Worker implements Handler {
  readonly #app: App
  readonly #context: WorkerContext
  readonly #intake: Intake
  readonly #clock: Clock
  readonly #alarms: Alarms
  readonly #settings: WorkerBoot['config']['connection']
  readonly #countsBytes: boolean
  readonly #log: Logger
  /** The lease for connections that arrive from now on. */
  #lease: ConnectionLease | null = null
  #abortion: Timer | undefined
  #connection: Connection | undefined
  #last: Progress | undefined
  #onIdle: (() => void) | undefined

  /**
   * @param openIntake - opens the way by which connections come to this worker
   * @param clock - measures the limits on connections
   */
  constructor(
    app: App,
    context: WorkerContext,
    boot: WorkerBoot,
    openIntake: (handler: Handler) => Intake,
    clock: Clock = systemClock,
  ) {
    this.#app = app
    this.#context = context
    this.#clock = clock
    this.#settings = boot.config.connection
    this.#countsBytes = boot.config.log.access
    this.#log = context.log
    const { readTimeoutMs, deadlineMs, handshakeTimeoutMs } = this.#settings
    this.#alarms = {
      read: new Alarm(readTimeoutMs, clock),
      deadline: new Alarm(deadlineMs, clock),
      handshake: new Alarm(handshakeTimeoutMs, clock),
    }
    this.#intake = openIntake(this)
  }

  get isBusy(): boolean {
    return this.#connection !== undefined
  }

  /** Handles a connection that is this worker's, while it has no other. */
  begin(id: number, transport: Transport, arrival: Arrival): void {
    const connection = new Connection(id, transport, this.#settings, this.#alarms, arrival)
    this.#connection = connection
    this.#context.lease = this.#lease
    void this.#serve(connection, arrival.beginsWithTls)
  }

  /** The active connection, and the last one that ended. */
  get view(): WorkerView {
    const inHand = this.#connection?.id ?? 0
    return this.#last === undefined ? { inHand } : { inHand, last: this.#last }
  }

  /** Takes no more connections; resolves when the active one has ended. */
  async finish(): Promise<void> {
    this.#intake.close()
    if (this.#connection === undefined) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
  }

  /** Resolves when earlier connections are closed in good order, and the app is torn down. */
  async close(): Promise<void> {
    await this.#intake.settled()
    await this.#app.teardown?.(this.#context)
  }

  /** Serves further connections under this lease; if it has an `abortAtMs`, aborts the connection active then. */
  hold({ grant, abortAtMs }: WorkerLease): void {
    this.#lease = grant
    this.#clock.clearTimeout(this.#abortion)
    if (abortAtMs === null) return
    const give = () => this.#connection?.end('LEASE_LOST', 'The lease was lost')
    this.#abortion = this.#clock.setTimeout(give, Math.max(0, abortAtMs - this.#clock.nowMs()))
    this.#abortion.unref()
  }

  /** Drops the active connection: the service stops now. */
  terminate(): void {
    this.#connection?.end('TERMINATED', 'The service was told to stop at once')
  }

  #report(id: number, step: Step, reason: Reason, { bytesIn, bytesOut }: Traffic): void {
    // No spread: it costs more than all else here.
    this.#last = { step, reason, id, bytesIn, bytesOut }
    this.#intake.record(this.#last)
  }

  async #serve(connection: Connection, beginsWithTls: boolean): Promise<void> {
    let reason: Reason = 'none'
    try {
      if (beginsWithTls) await connection.startTls()
      await this.#app.handle(connection, this.#context)
      if (!connection.isFlushed) await connection.flush()
    } catch (error) {
      reason = reasonOf(error)
      if (reason === 'handler-error') {
        this.#log.error({ connection: connection.id, error }, 'The handler threw')
      }
    }
    connection.release()
    const traffic = this.#countsBytes ? connection.traffic : uncounted
    this.#connection = undefined
    // Reported before the client can see the end, and come again: by then, it has one connection less.
    if (reason === 'none') {
      this.#report(connection.id, 'served', 'none', traffic)
      connection.conclude()
    } else {
      const isGone = reason === 'client-reset' && connection.isUntouched
      this.#report(connection.id, isGone ? 'gone' : 'failed', reason, traffic)
      connection.destroy()
    }
    this.#onIdle?.()
    this.#intake.next()
  }
}

const reasonByCode: Readonly<Record<string, Reason>> = {
  CLIENT_GONE: 'client-reset',
  READ_TIMEOUT: 'read-timeout',
  DEADLINE: 'deadline',
  LINE_TOO_LONG: 'line-too-long',
  TERMINATED: 'terminated',
  LEASE_LOST: 'lease-lost',
  ENDED_EARLY: 'ended-early',
  TLS_FAILED: 'tls-failed',
  TLS_TIMEOUT: 'tls-timeout',
}

/** Any error that neither the client nor the clock has caused is the handler's. */
function reasonOf(error: unknown): Reason {
  return reasonByCode[codeOf(error) ?? ''] ?? 'handler-error'
}
