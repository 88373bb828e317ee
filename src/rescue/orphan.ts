import type { HandOffWorker } from '../connections/hand-off.ts'
import { type PendingConnection, peerOf } from '../connections/pending-connection.ts'
import type { ToWorker } from '../ipc/worker-messages.ts'
import type { PageReader } from '../ipc/worker-page.ts'
import type { WorkerStatus } from '../status.ts'
import type { RescueChannel } from './rescue-channel.ts'
import type { OrphanHello } from './rescue-messages.ts'

/** A worker of a primary that was killed: it serves what it takes from the queue until it is told to retire. */
export class Orphan implements HandOffWorker {
  readonly number: number
  readonly isIdle = false
  /** By which it reports. */
  readonly page: PageReader
  readonly #hello: OrphanHello
  readonly #channel: RescueChannel
  #inHand: PendingConnection | undefined
  #sinceMs = 0
  #served = 0

  constructor(hello: OrphanHello, page: PageReader, channel: RescueChannel) {
    this.number = hello.slot
    this.page = page
    this.#hello = hello
    this.#channel = channel
  }

  get inHand(): PendingConnection | undefined {
    return this.#inHand
  }

  get status(): WorkerStatus {
    const inHand = this.#inHand
    return {
      slot: this.number,
      pid: this.#hello.pid,
      state: 'retiring',
      generation: this.#hello.generation,
      served: this.#served,
      rssBytes: 0,
      busyMs: inHand === undefined ? null : Math.round(performance.now() - this.#sinceMs),
      remote: inHand === undefined ? null : peerOf(inHand),
    }
  }

  tell(message: ToWorker): void {
    this.#channel.send(message)
  }

  took(connection: PendingConnection): void {
    this.#inHand = connection
    this.#sinceMs = connection.offeredAtMs
  }

  hasClaimed(connection: PendingConnection): boolean {
    return this.#inHand === connection
  }

  release(isServed: boolean): void {
    this.#inHand = undefined
    if (isServed) this.#served += 1
  }

  lose(isServed: boolean): void {
    this.release(isServed)
  }

  distrust(): void {
    this.tell({ kind: 'retire' })
  }

  /** It takes connections by itself, and is given none. */
  admit(): void {}

  offer(): void {
    throw new Error('A worker of a dead primary is offered nothing')
  }
}
