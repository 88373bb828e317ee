import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { NativeHandOff } from '../../../src/connections/native-hand-off.ts'
import { type Step, uncounted } from '../../../src/ipc/progress.ts'
import { PageWriter, pageBytes } from '../../../src/ipc/worker-page.ts'
import { takeCodes } from '../../../src/native/native.ts'
import { handlePair } from './handles.ts'
import { nativeModule, nativeSocketOf } from './native-consumer.ts'
import { type NativeStageLimits, nativeStage } from './native-stage.ts'
import { anywhere } from './pending.ts'
import { BareWorker } from './stage.ts'

/** A worker in the test's own process, at a real consumer. */
export class TakingWorker extends BareWorker {
  readonly #native = nativeModule()
  readonly #consumer
  readonly #page: PageWriter
  readonly memory: ArrayBuffer
  /** Its page, as a primary finds it. */
  readonly pageFd: number
  readonly #arena = Buffer.alloc(65_536)
  #takenAtMs = 0
  /** What was read with the connection that was taken last. */
  first = ''
  /** The listening sockets from which it accepts once the gate is open. */
  readonly #listeners: readonly number[]

  constructor(
    t: TestContext,
    number: number,
    handOff: NativeHandOff,
    listeners: readonly number[] = [],
  ) {
    super(number)
    this.#listeners = listeners
    // A process would inherit them.
    const [page = -1, queue = -1, bell = -1] = handOff
      .link(this)
      .fds.map((fd) => this.#native.duplicate(fd))
    const place = this.#native.openConsumer(queue, page, bell, pageBytes, () => {})
    if (typeof place === 'number') throw new Error(`openConsumer: ${place}`)
    this.pageFd = page
    this.#consumer = place.consumer
    this.memory = place.memory
    this.#page = new PageWriter(place.memory)
    handOff.addIdle(this)
    t.after(() => {
      this.#native.drop(place.consumer)
      this.#native.learnListeners(place.consumer, new Int32Array(), 0)
      this.#native.close(page)
      this.#native.close(queue)
      this.#native.close(bell)
    })
  }

  get page(): PageWriter {
    return this.#page
  }

  /** Takes a connection; its id, or undefined when there was none for it. */
  takes(): number | undefined {
    const taken = this.#take()
    if (taken <= takeCodes.nobody) return undefined
    this.first = this.#arena.toString('latin1', 0, Math.max(0, taken))
    this.#takenAtMs = this.#page.takenAtMs
    return this.#page.ticket.id
  }

  #take(): number {
    const taken = this.#native.take(this.#consumer, this.#arena)
    if (taken !== takeCodes.otherListeners) return taken
    const fds = Int32Array.from(this.#listeners.map((fd) => this.#native.duplicate(fd)))
    this.#native.learnListeners(this.#consumer, fds, this.#page.listeners)
    return this.#native.take(this.#consumer, this.#arena)
  }

  /** Ends what it has taken. */
  ends(step: Step = 'served'): void {
    const endedAtMs = this.#native.now()
    const { ticket } = this.#page
    const reason = step === 'failed' ? 'handler-error' : 'none'
    const report = { step, reason, id: ticket.id, ...uncounted } as const
    this.#page.record(report, ticket, this.#takenAtMs, endedAtMs)
    this.drops()
  }

  /** Closes it, and says nothing. */
  drops(): void {
    this.#native.drop(this.#consumer)
  }
}

/** A stage at which clients arrive, and whose counts are checked whenever they are asked for. */
export function arrivalStage(t: TestContext, limits: NativeStageLimits = {}) {
  const made = nativeStage(t, limits)
  const { handOff, dispatcher, accounts } = made
  const clients: Awaited<ReturnType<typeof handlePair>>['client'][] = []
  const arrive = async (count: number, endpoint = anywhere) => {
    for (let at = 0; at < count; at += 1) {
      const { handle, client } = await handlePair(t)
      clients.push(client)
      dispatcher.accept(nativeSocketOf(handle), endpoint)
    }
  }
  const counts = () => {
    handOff.settle()
    const all = accounts.counts
    const { accepted, served, failed, shed, expired, gone, queued, active } = all
    assert.equal(accepted, served + failed + shed + expired + gone + queued + active)
    return all
  }
  return { ...made, arrive, clients, counts }
}
