import { setTimeout as delay } from 'node:timers/promises'
import { getSystemErrorName } from 'node:util'
import { type Progress, uncounted } from '../ipc/progress.ts'
import type { ServedEndpoint } from '../ipc/worker-messages.ts'
import { PageWriter, pageBytes, type Ticket } from '../ipc/worker-page.ts'
import {
  type Consumer,
  consumerEvents,
  errnos,
  mostListeners,
  type NativeModule,
  takeCodes,
} from '../native/native.ts'
import { type Entrance, Entrances } from './entrances.ts'
import type { Arrival, Handler, Intake } from './intake.ts'
import { Lingerers } from './linger.ts'
import { NativeTransport, type NativeWay, onceSettled } from './native-transport.ts'
import { parsePreface } from './preface.ts'
import type { SocketOptions } from './socket-transport.ts'

/** The descriptors that a worker inherits for the native hand-off, after stdio and Node's channel. */
export const inherited = { page: 4, queue: 5, bell: 6, legacy: 7, socket: 8 } as const

/** How many bytes are read at a time. */
const arenaBytes = 65_536

/** How many connections are taken in a row before everything else in the process has its turn. */
const burst = 32

/** The events of the connection in hand. */
const ofConnection = consumerEvents.readable | consumerEvents.writable | consumerEvents.hangup

/** How often connections in their closing handshake are looked at, in milliseconds. */
const sweepEveryMs = 20

type FindListeners = () => readonly number[] | undefined

/** Takes connections from the queue, one at a time, and records how each has ended. */
export class NativeIntake implements Intake {
  readonly #native: NativeModule
  readonly #consumer: Consumer
  readonly #page: PageWriter
  readonly #way: NativeWay
  readonly #entrances: Entrances
  readonly #lingerers: Lingerers
  /** A connection from an endpoint of which this process has yet to be told: the result of its first read. */
  #early: number | undefined
  #handler!: Handler
  readonly #onUnfit: (reason: string) => void
  readonly #arena = Buffer.allocUnsafeSlow(arenaBytes)
  #isAdmitted = false
  #isWaiting = false
  #onEmpty: (() => void) | undefined
  #transport: NativeTransport | undefined
  #ticket: Ticket = { id: 0, nonce: 0, endpoint: 0 }
  #takenAtMs = 0
  #leftInBurst = burst
  #isTickDue = false
  #findListeners: FindListeners
  #sweeping: NodeJS.Timeout | undefined

  /**
   * @param findListeners - opens the listening sockets of its primary; undefined when they cannot be had
   * @param onUnfit - called when this process can take connections no more, with the reason
   * @throws Error when it has not inherited what it needs
   */
  constructor(
    native: NativeModule,
    options: SocketOptions,
    endpoints: readonly ServedEndpoint[],
    findListeners: FindListeners,
    onUnfit: (reason: string) => void,
  ) {
    this.#native = native
    this.#findListeners = findListeners
    this.#entrances = new Entrances(endpoints)
    this.#lingerers = new Lingerers(options.lingerMs)
    this.#onUnfit = onUnfit
    const { queue, page, bell } = inherited
    const place = native.openConsumer(queue, page, bell, pageBytes, (events) =>
      this.#onEvents(events),
    )
    if (typeof place === 'number') {
      throw new Error(`Cannot share memory with the primary: ${getSystemErrorName(place)}`)
    }
    this.#consumer = place.consumer
    this.#page = new PageWriter(place.memory)
    this.#way = {
      native,
      consumer: place.consumer,
      options,
      arena: this.#arena,
      onConcluded: (lingering) => this.#onConcluded(lingering),
      lingerers: this.#lingerers,
    }
  }

  /** Gives connections to `handler`. Must be called before `admit`. */
  serve(handler: Handler): this {
    this.#handler = handler
    return this
  }

  /** Whether it takes connections. */
  get isAdmitted(): boolean {
    return this.#isAdmitted
  }

  /** Looks into the queue, as if it had been woken. */
  look(): void {
    if (!this.#isWaiting) return
    this.#stopWaiting()
    this.#again()
  }

  /** Calls `onEmpty` when it finds nothing to take. */
  onceEmpty(onEmpty: () => void): void {
    this.#onEmpty = onEmpty
    this.look()
  }

  /** Takes connections from now on. */
  admit(): void {
    this.#isAdmitted = true
    this.next()
  }

  /** Takes no more. */
  close(): void {
    this.#isAdmitted = false
    this.#stopWaiting()
    this.lockGate()
  }

  /** Takes no connection any more that no primary has seen, and lets go of the listening sockets. */
  lockGate(): void {
    this.#findListeners = () => []
    this.#learnListeners()
  }

  serveFrom(endpoints: readonly ServedEndpoint[]): void {
    this.#entrances.learn(endpoints)
    const early = this.#early
    this.#early = undefined
    if (early !== undefined) this.#begin(early)
  }

  /** Records how the connection in hand has ended. */
  record(report: Progress): void {
    this.#page.record(report, this.#ticket, this.#takenAtMs, this.#native.now())
    this.#transport = undefined
  }

  /** Takes the next connection, or waits for one. */
  next(): void {
    if (!this.#isAdmitted || this.#transport !== undefined || this.#early !== undefined) return
    if (this.#leftInBurst === 0) {
      setImmediate(() => this.#again())
      return
    }
    this.#leftInBurst -= 1
    // Waits before it looks: one that came in between would wake nobody.
    if (!this.#isWaiting) this.#page.toggleWaiting()
    this.#isWaiting = true
    const taken = this.#take()
    if (isNone(taken)) {
      this.#onEmpty?.()
      return
    }
    this.#stopWaiting()
    if (isFault(taken)) this.#onUnfit(faults[taken] ?? 'it cannot take connections')
    else this.#begin(taken)
  }

  /** Resolves when no connection is in its closing handshake. */
  async settled(): Promise<void> {
    while (this.#native.sweep(this.#consumer) > 0) await delay(sweepEveryMs)
    await this.#lingerers.settled()
  }

  #take(): number {
    const taken = this.#native.take(this.#consumer, this.#arena)
    if (taken !== takeCodes.otherListeners) return taken
    this.#learnListeners()
    return this.#take()
  }

  #learnListeners(): void {
    // Read first: if they change in between, it is the number that is too old.
    const { listeners } = this.#page
    const found = this.#findListeners()
    if (found === undefined) this.#onUnfit('it cannot read which sockets its primary listens on')
    const isUsable = found !== undefined && found.length <= mostListeners
    if (!isUsable) for (const fd of found ?? []) this.#native.close(fd)
    const fds = Int32Array.from(isUsable ? found : [])
    this.#native.learnListeners(this.#consumer, fds, listeners)
  }

  #again(): void {
    this.#leftInBurst = burst
    this.next()
  }

  #stopWaiting(): void {
    if (this.#isWaiting) this.#page.toggleWaiting()
    this.#isWaiting = false
  }

  /** @param first - the result of the read within the step that has taken the connection: the preface's, if it has one */
  #begin(first: number): void {
    this.#ticket = this.#page.ticket
    this.#takenAtMs = this.#page.takenAtMs
    const { id, endpoint } = this.#ticket
    const entrance = this.#entrances.at(endpoint)
    if (entrance === undefined) {
      this.#early = first
      return
    }
    if (first === takeCodes.lost) {
      this.record({ step: 'failed', reason: 'client-reset', id, ...uncounted })
      this.next()
      return
    }
    if (entrance.isProxied) this.#beginProxied(id, entrance, first)
    else this.#open(id, entrance, first)
    if (this.#isTickDue) return
    this.#isTickDue = true
    onceSettled(() => this.#tick())
  }

  /** @param length - of the preface */
  #beginProxied(id: number, entrance: Entrance, length: number): void {
    const { header: proxy, rest } = parsePreface(this.#arena.subarray(0, length))
    this.#open(id, { ...entrance, proxy }, rest.copy(this.#arena) || errnos.again)
  }

  #open(id: number, arrival: Entrance & Arrival, first: number): void {
    const transport = new NativeTransport(this.#way, arrival.path, first)
    this.#transport = transport
    this.#handler.begin(id, transport, arrival)
  }

  #tick(): void {
    this.#isTickDue = false
    if (this.#transport === undefined) return
    this.#transport.settle()
    // It does not serve the next one for a while: that must wake another worker.
    this.#native.leaveGate(this.#consumer)
  }

  #onEvents(events: number): void {
    if (events & ofConnection) this.#transport?.onEvents(events)
    // The primary wakes nobody twice for the same wait.
    if (events & ~ofConnection) this.look()
  }

  #onConcluded(lingering: number): void {
    if (lingering === 0 || this.#sweeping !== undefined) return
    this.#sweeping = setTimeout(() => this.#sweep(), sweepEveryMs).unref()
  }

  #sweep(): void {
    if (this.#native.sweep(this.#consumer) > 0) this.#sweeping?.refresh()
    else this.#sweeping = undefined
  }
}

const faults: Readonly<Record<number, string>> = {
  [takeCodes.noDescriptor]: 'it has no file descriptor left',
  [takeCodes.broken]: 'its end of the queue is closed, or a listening socket',
}

function isNone(taken: number): boolean {
  return taken === takeCodes.nobody || taken === takeCodes.notPermitted
}

function isFault(taken: number): boolean {
  return taken === takeCodes.noDescriptor || taken === takeCodes.broken
}
