import type { ServerResponse } from 'node:http'
import { messageOf } from '../errors.ts'
import { History, sampleOf } from './history.ts'
import type { LiveMessages } from './live-messages.ts'
import type { AdminTarget } from './service-interface.ts'

/** The maximum number of concurrent viewers. */
const maxViewers = 16
/** A viewer with more unread bytes than this is too slow and is disconnected; its browser reconnects. */
const maxUnreadBytes = 1_048_576
const sampleEveryMs = 1_000
/** How often Redis is asked about the other hosts while there are viewers, in milliseconds. */
const fleetEveryMs = 2_000
/** Events within this time are sent together, in milliseconds. */
const gatherMs = 100

/** Sends the state of the service to all viewers. */
export class LiveFeed {
  readonly #target: AdminTarget
  readonly #history = new History()
  readonly #viewers = new Set<ServerResponse>()
  #sampling: NodeJS.Timeout | undefined
  #gathering: NodeJS.Timeout | undefined
  #fleetAskedMs = Number.NEGATIVE_INFINITY
  #isAsking = false
  #unsubscribe: (() => void) | undefined

  constructor(target: AdminTarget) {
    this.#target = target
  }

  /** Starts sampling; may be called twice. */
  start(): void {
    if (this.#sampling !== undefined) return
    this.#sampling = setInterval(() => this.#sample(), sampleEveryMs).unref()
    this.#unsubscribe = this.#target.subscribe(() => this.#gather())
  }

  stop(): void {
    clearInterval(this.#sampling)
    clearTimeout(this.#gathering)
    this.#sampling = undefined
    this.#gathering = undefined
    this.#unsubscribe?.()
    // An orderly end: a browser treats an aborted connection as an error.
    for (const viewer of this.#viewers) viewer.end()
  }

  /** Whether there is room for one more viewer. */
  get hasRoom(): boolean {
    return this.#viewers.size < maxViewers
  }

  /** Sends everything to a viewer until its connection ends. */
  attach(viewer: ServerResponse, canAct: boolean): void {
    viewer.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8' })
    if (viewer.req.method === 'HEAD') {
      viewer.end()
      return
    }
    this.#viewers.add(viewer)
    viewer.once('close', () => this.#viewers.delete(viewer))
    viewer.write(worded('hello', { canAct, history: this.#history.samples }))
    viewer.write(this.#now())
    void this.#askFleet()
  }

  #sample(): void {
    this.#history.add(sampleOf(this.#target.status(), Date.now()))
    this.#tell(() => this.#now())
    if (performance.now() - this.#fleetAskedMs >= fleetEveryMs) void this.#askFleet()
  }

  #gather(): void {
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined
      this.#tell(() => this.#now())
    }, gatherMs).unref()
  }

  async #askFleet(): Promise<void> {
    if (this.#viewers.size === 0 || this.#isAsking) return
    this.#isAsking = true
    this.#fleetAskedMs = performance.now()
    try {
      const view = await this.#target.fleetView()
      if (view !== undefined) this.#tell(() => worded('fleet', { view, reason: null }))
    } catch (error) {
      this.#tell(() => worded('fleet', { view: null, reason: messageOf(error) }))
    } finally {
      this.#isAsking = false
    }
  }

  /** @param word - called once, whatever the number of viewers */
  #tell(word: () => string): void {
    if (this.#viewers.size === 0) return
    const message = word()
    for (const viewer of this.#viewers) {
      if (viewer.writableLength > maxUnreadBytes) viewer.destroy()
      else viewer.write(message)
    }
  }

  #now(): string {
    const status = this.#target.status()
    return worded('status', { look: sampleOf(status, Date.now()), status })
  }
}

function worded<Name extends keyof LiveMessages>(name: Name, data: LiveMessages[Name]): string {
  return `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
}
