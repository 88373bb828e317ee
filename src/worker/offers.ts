import type { Clock } from '../clock.ts'
import type { ClaimWriter } from '../ipc/claim-register.ts'
import { type Progress, type ProgressWriter, uncounted } from '../ipc/progress.ts'
import type { StreamHandle } from '../ipc/stream-handle.ts'
import type { Offer, ServedEndpoint } from '../ipc/worker-messages.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Entrances } from './entrances.ts'
import { HandleTransport } from './handle-transport.ts'
import type { Handler, Intake } from './intake.ts'
import { Lingerers } from './linger.ts'
import { parsePreface } from './preface.ts'
import type { SocketOptions } from './socket-transport.ts'

/** The ways by which a worker answers an offer. */
export interface OfferChannels {
  readonly claims: Pick<ClaimWriter, 'write'>
  readonly progress: Pick<ProgressWriter, 'write'>
  /** The pipe could not tell the primary how a connection ended. */
  readonly onUnreported: () => void
}

/** Receives the connections that the primary offers, and claims each before its first byte is read. */
export class Offers implements Intake {
  readonly #handler: Handler
  readonly #settings: SocketOptions
  readonly #channels: OfferChannels
  readonly #entrances: Entrances
  readonly #log: Logger
  readonly #lingerers: Lingerers
  #isClosed = false

  constructor(
    handler: Handler,
    settings: SocketOptions,
    endpoints: readonly ServedEndpoint[],
    channels: OfferChannels,
    log: Logger,
    clock: Clock,
  ) {
    this.#handler = handler
    this.#settings = settings
    this.#entrances = new Entrances(endpoints)
    this.#channels = channels
    this.#log = log
    this.#lingerers = new Lingerers(settings.lingerMs, clock)
  }

  /** Takes the connection that the primary offers; `handle` is missing if there was no descriptor for it. */
  receive([id, endpoint, preface]: Offer, handle: StreamHandle | undefined): void {
    if (this.#isClosed) {
      // Not claimed, so it returns to the head of the queue when this process has ended.
      handle?.close()
      return
    }
    if (handle === undefined) {
      this.#miss(id)
      return
    }
    if (this.#handler.isBusy) {
      this.#log.error({ connection: id }, 'Received a connection while another is active')
      this.#miss(id)
      handle.close()
      return
    }
    if (!this.#claim(id)) {
      this.#miss(id)
      handle.close()
      return
    }
    const { path, door, beginsWithTls = false } = this.#entrances.at(endpoint) ?? {}
    const { header: proxy, rest } = parsePreface(
      preface === undefined ? undefined : Buffer.from(preface, 'base64'),
    )
    const transport = new HandleTransport(handle, this.#settings, this.#lingerers, path, rest)
    this.#handler.begin(id, transport, { door, proxy, beginsWithTls })
  }

  serveFrom(endpoints: readonly ServedEndpoint[]): void {
    this.#entrances.learn(endpoints)
  }

  record(report: Progress): void {
    const { progress, onUnreported } = this.#channels
    if (!progress.write(report)) onUnreported()
  }

  /** The primary offers the next one when it has read the report. */
  next(): void {}

  close(): void {
    this.#isClosed = true
  }

  settled(): Promise<void> {
    return this.#lingerers.settled()
  }

  /** Claims before the first byte is read: from here on, the connection is this worker's, whatever happens. */
  #claim(id: number): boolean {
    try {
      this.#channels.claims.write(id)
      return true
    } catch (error) {
      this.#log.error({ connection: id, error }, 'Cannot claim a connection; leaving it to others')
      return false
    }
  }

  #miss(id: number): void {
    this.record({ step: 'missing', reason: 'none', id, ...uncounted })
  }
}
