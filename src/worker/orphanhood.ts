import type { Config } from '../config/load.ts'
import { addressBytes, errnos, type NativeModule, type Watch, watched } from '../native/native.ts'
import { rescueSocketIn } from '../rescue/legacy.ts'
import { RescueChannel } from '../rescue/rescue-channel.ts'
import { type OrphanHello, rescueProtocol } from '../rescue/rescue-messages.ts'

/** How often a worker without a primary looks into the queue: nobody wakes it, in milliseconds. */
const lookEveryMs = 20

/** What a worker without a primary needs. */
export interface OrphanhoodOptions {
  readonly native: NativeModule
  /** Its page, what its primary has left, and the Unix socket at which it waits unless the legacy names another. */
  readonly fds: { readonly page: number; readonly legacy: number; readonly socket: number }
  readonly identity: Pick<OrphanHello, 'slot' | 'generation'>
  readonly settings: Config['rescue']
  /** Whether the next primary can find that socket. */
  readonly canBeFound: () => boolean
  /** Starts another primary; undefined where that is left to others. */
  readonly launch: (() => Promise<void>) | undefined
}

/** The worker, as its orphanhood sees it. */
export interface OrphanhoodListener {
  /** There may be a connection in the queue. */
  onLook(): void
  /** A message of the next primary, as of the one before it. */
  onMessage(message: unknown): void
  /** No primary has come in time. Called once. */
  onGivenUp(): void
}

/**
 * The time of a worker whose primary was killed: it goes on taking what is in the queue, and waits at a Unix socket for
 * the next primary. If that one is killed, too, it waits again.
 */
export class Orphanhood {
  readonly #options: OrphanhoodOptions
  readonly #listener: OrphanhoodListener
  readonly #fds = new Int32Array(1)
  readonly #address = Buffer.alloc(addressBytes)
  /** The one at which it waits; undefined while it has its first primary. */
  #socket: number | undefined
  #watch: Watch | undefined
  #looking: NodeJS.Timeout | undefined
  #timers: NodeJS.Timeout[] = []
  /** When this process gives up; monotonic, in milliseconds. Primaries that come and fail do not put it off. */
  #untilMs: number | undefined
  #hasGivenUp = false

  constructor(options: OrphanhoodOptions, listener: OrphanhoodListener) {
    this.#options = options
    this.#listener = listener
  }

  /** There is no primary from now on. */
  begin(): void {
    if (this.#hasGivenUp) return
    const { native, identity, settings, canBeFound, launch } = this.#options
    const socket = this.#findSocket()
    const watch = canBeFound() ? native.watch(socket, () => this.#accept(socket)) : undefined
    // Nobody would come. If it cannot be watched, the app has closed it.
    if (typeof watch !== 'object') {
      this.#giveUp()
      return
    }
    this.#looking ??= setInterval(() => this.#listener.onLook(), lookEveryMs)
    this.#watch = watch
    native.setEvents(watch, watched.readable)
    const { startAfterMs, waitMs } = settings
    this.#untilMs ??= performance.now() + waitMs
    const leftMs = Math.max(0, this.#untilMs - performance.now())
    this.#timers.push(setTimeout(() => this.#giveUp(), leftMs))
    if (launch === undefined || startAfterMs === 0) return
    // One after the other, in case the first one cannot.
    this.#launchLater(launch, startAfterMs * identity.slot, watch)
  }

  /** Starts a primary, and another one in case that has failed, or was killed before it found this process. */
  #launchLater(launch: () => Promise<void>, dueMs: number, watch: Watch): void {
    const attempt = async () => {
      await launch().catch(ignore)
      if (this.#watch === watch) this.#launchLater(launch, 2 * dueMs, watch)
    }
    this.#timers.push(setTimeout(() => void attempt(), dueMs))
  }

  #giveUp(): void {
    if (this.#hasGivenUp) return
    this.#hasGivenUp = true
    this.#stopWaiting()
    clearInterval(this.#looking)
    this.#listener.onGivenUp()
  }

  /** Closes what it has found besides `fds`. */
  close(): void {
    const { native, fds } = this.#options
    if (this.#socket !== undefined && this.#socket !== fds.socket) native.close(this.#socket)
  }

  /** The primary may have replaced the socket that this process has inherited. */
  #findSocket(): number {
    const { native, fds } = this.#options
    this.#socket ??= rescueSocketIn(native, fds.legacy) ?? fds.socket
    return this.#socket
  }

  #accept(socket: number): void {
    const { native, fds, identity } = this.#options
    if (native.accept(socket, this.#fds, this.#address) !== 1) return
    this.#stopWaiting()
    const channel = new RescueChannel(native, this.#fds[0] ?? -1, {
      onMessage: (message) => this.#listener.onMessage(message),
      onClosed: () => this.begin(),
    })
    const hello: OrphanHello = {
      kind: 'orphan',
      protocol: rescueProtocol,
      ...identity,
      pid: process.pid,
    }
    const sent = channel.send(hello, [fds.page, fds.legacy])
    // A primary may have been killed while it waited for an answer: then the channel is closed, and the next one counts.
    // Otherwise, the app has closed what this process holds.
    if (sent < 0 && sent !== errnos.brokenPipe) this.#giveUp()
  }

  #stopWaiting(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers = []
    if (this.#watch !== undefined) this.#options.native.unwatch(this.#watch)
    this.#watch = undefined
  }
}

/** Another process may have been faster; or the reason is in the log of the service, where the launched one writes. */
const ignore = () => {}
