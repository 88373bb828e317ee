import type { App, Context } from '../app/app.ts'
import { type Clock, systemClock, type Timer } from '../clock.ts'
import { codeOf } from '../errors.ts'
import type { ClaimWriter } from '../ipc/claim-register.ts'
import type {
  ConnectionLease,
  Offer,
  ServedEndpoint,
  WorkerBoot,
  WorkerLease,
  WorkerView,
} from '../ipc/worker-messages.ts'
import {
  type Progress,
  type ProgressWriter,
  type Reason,
  type Step,
  uncounted,
} from '../ipc/progress.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Alarm } from './alarm.ts'
import type { ClientSocket } from './client-socket.ts'
import { parseProxyHeader, type ProxyHeader } from '../proxy-protocol/proxy-header.ts'
import { type Alarms, Connection } from './connection.ts'
import { Lingerers } from './linger.ts'
import { SocketTransport } from './socket-transport.ts'
import { TlsDoor } from './tls-door.ts'

/** The app's context; its lease changes from connection to connection. */
export type WorkerContext = Omit<Context, 'lease'> & { lease: ConnectionLease | null }

/**
 * One worker: receives, claims, handles and reports one connection at a time.
 *
 * A connection that ends badly is that client's loss only. An error that the worker must not survive (an
 * exception outside any handler) ends the process, and the primary starts another.
 */
export class Worker {
  readonly #app: App
  readonly #context: WorkerContext
  readonly #claims: Pick<ClaimWriter, 'write'>
  readonly #progress: Pick<ProgressWriter, 'write'>
  readonly #clock: Clock
  readonly #alarms: Alarms
  readonly #settings: WorkerBoot['config']['connection']
  readonly #countsBytes: boolean
  readonly #entrances: Entrance[] = []
  readonly #log: Logger
  readonly #lingerers: Lingerers
  /** The lease for connections that arrive from now on. */
  #lease: ConnectionLease | null = null
  #abortion: Timer | undefined
  #connection: Connection | undefined
  #last: Progress | undefined
  #isLeaving = false
  #onIdle: (() => void) | undefined
  readonly #onUnreported: () => void

  /**
   * @param onUnreported - called when the pipe could not tell the primary how a connection ended
   * @param clock - measures the limits on connections
   */
  constructor(
    app: App,
    context: WorkerContext,
    boot: WorkerBoot,
    claims: Pick<ClaimWriter, 'write'>,
    progress: Pick<ProgressWriter, 'write'>,
    onUnreported: () => void,
    clock: Clock = systemClock,
  ) {
    this.#app = app
    this.#context = context
    this.#claims = claims
    this.#progress = progress
    this.#onUnreported = onUnreported
    this.#clock = clock
    this.#settings = boot.config.connection
    this.#countsBytes = boot.config.log.access
    this.serveFrom(boot.endpoints)
    this.#log = context.log
    const { readTimeoutMs, deadlineMs, handshakeTimeoutMs, lingerMs } = this.#settings
    this.#alarms = {
      read: new Alarm(readTimeoutMs, clock),
      deadline: new Alarm(deadlineMs, clock),
      handshake: new Alarm(handshakeTimeoutMs, clock),
    }
    this.#lingerers = new Lingerers(lingerMs, clock)
  }

  /** Takes the connection that the primary offers; `socket` is missing if it closed on the way. */
  receive([id, endpoint, preface]: Offer, socket: ClientSocket | undefined): void {
    if (this.#isLeaving) {
      // Not claimed, so it returns to the head of the queue when this process has ended.
      socket?.destroy()
      return
    }
    if (socket === undefined) {
      this.#report(id, 'missing')
      return
    }
    if (this.#connection !== undefined) {
      this.#log.error({ connection: id }, 'Received a connection while another is active')
      this.#report(id, 'missing')
      socket.destroy()
      return
    }
    if (!this.#claim(id)) {
      this.#report(id, 'missing')
      socket.destroy()
      return
    }
    const entrance = this.#entrances[endpoint]
    const { header: proxy, rest } = headerIn(preface)
    if (rest.length > 0) socket.unshift(rest)
    const before = { bytesRead: rest.length, bytesWritten: 0 }
    const transport = new SocketTransport(socket, this.#settings, entrance?.path, before)
    const origin = { door: entrance?.door, proxy }
    const connection = new Connection(id, transport, this.#settings, this.#alarms, origin)
    this.#connection = connection
    this.#context.lease = this.#lease
    void this.#serve(connection, entrance?.beginsWithTls === true)
  }

  /** Connections may come from these endpoints from now on; those that it knows already stay as they are. */
  serveFrom(endpoints: readonly ServedEndpoint[]): void {
    for (const { settings, tls } of endpoints.slice(this.#entrances.length)) {
      this.#entrances.push({
        path: settings.endpoint.path,
        door: tls === null ? undefined : new TlsDoor(tls),
        beginsWithTls: tls?.start === 'accept',
      })
    }
  }

  /** The active connection, and the last one that ended. */
  get view(): WorkerView {
    const inHand = this.#connection?.id ?? 0
    return this.#last === undefined ? { inHand } : { inHand, last: this.#last }
  }

  /** Takes no more connections; resolves when the active one has ended. */
  async finish(): Promise<void> {
    this.#isLeaving = true
    if (this.#connection === undefined) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
  }

  /** Resolves when earlier connections are closed in good order, and the app is torn down. */
  async close(): Promise<void> {
    await this.#lingerers.settled()
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

  /** Claims before the first byte is read: from here on, the connection is this worker's, whatever happens. */
  #claim(id: number): boolean {
    try {
      this.#claims.write(id)
      return true
    } catch (error) {
      this.#log.error({ connection: id, error }, 'Cannot claim a connection; leaving it to others')
      return false
    }
  }

  #report(id: number, step: Step, reason: Reason = 'none', traffic = uncounted): void {
    this.#last = { step, reason, id, ...traffic }
    if (!this.#progress.write(this.#last)) this.#onUnreported()
  }

  async #serve(connection: Connection, beginsWithTls: boolean): Promise<void> {
    let reason: Reason = 'none'
    try {
      if (beginsWithTls) await connection.startTls()
      await this.#app.handle(connection, this.#context)
      await connection.flush()
    } catch (error) {
      reason = reasonOf(error)
      if (reason === 'handler-error') {
        this.#log.error({ connection: connection.id, error }, 'The handler threw')
      }
    }
    const socket = connection.release()
    const traffic = this.#countsBytes ? connection.traffic : uncounted
    this.#connection = undefined
    if (reason === 'none') {
      this.#report(connection.id, 'served', 'none', traffic)
      this.#lingerers.add(socket)
    } else {
      socket.destroy()
      const isGone = reason === 'client-reset' && connection.isUntouched
      this.#report(connection.id, isGone ? 'gone' : 'failed', reason, traffic)
    }
    this.#onIdle?.()
  }
}

/** An endpoint, as this worker serves it. */
interface Entrance {
  /** Of a Unix socket. */
  readonly path: string | undefined
  readonly door: TlsDoor | undefined
  readonly beginsWithTls: boolean
}

const nothing = Buffer.alloc(0)

/** The PROXY header that the primary has read, and the bytes behind it, which are the client's first. */
function headerIn(preface: string | undefined): { header: ProxyHeader | undefined; rest: Buffer } {
  if (preface === undefined) return { header: undefined, rest: nothing }
  const bytes = Buffer.from(preface, 'base64')
  const parsed = parseProxyHeader(bytes)
  if (parsed.kind !== 'header')
    throw new Error(`The primary has accepted a header that is ${parsed.kind}`)
  return { header: parsed.header, rest: bytes.subarray(parsed.length) }
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
