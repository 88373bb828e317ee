import { setTimeout as delay } from 'node:timers/promises'
import { ask, type Ending } from './client.ts'

export interface FleetLoadResult {
  /** The answers, in the order of their arrival. */
  readonly answers: readonly string[]
  /** Connections that a host accepted and did not answer. */
  readonly failures: readonly Ending[]
  /** The longest period without any answer to any client, in milliseconds. */
  readonly longestGapMs: number
}

/** The pause before a host that refused a connection is asked again, in milliseconds. */
const pauseMs = 2
/** The pause between two lines of a client, in milliseconds: it leaves the processor to the processes under load. */
const restMs = 10

/** Clients that ask the hosts in turn: when one refuses, the client moves on to the next, as a load balancer does. */
export class FleetLoad {
  readonly #ports: readonly number[]
  readonly #clients: Promise<void>[]
  readonly #answers: string[] = []
  readonly #failures: Ending[] = []
  #isStopping = false
  #answeredMs = performance.now()
  #longestGapMs = 0

  constructor(ports: readonly number[], clients: number) {
    this.#ports = ports
    this.#clients = Array.from({ length: clients }, (_, index) => this.#run(index))
    // A client's error is rethrown when `stop` is awaited.
    for (const client of this.#clients) client.catch(() => {})
  }

  get answered(): number {
    return this.#answers.length
  }

  /** Lets every client finish its current request. */
  async stop(): Promise<FleetLoadResult> {
    this.#isStopping = true
    await Promise.all(this.#clients)
    return {
      answers: this.#answers,
      failures: this.#failures,
      longestGapMs: this.#longestGapMs,
    }
  }

  async #run(index: number): Promise<void> {
    for (let at = index; !this.#isStopping; ) {
      const port = this.#ports[at % this.#ports.length] ?? 0
      const ending = await ask(port, 'a\r\n')
      if (ending.how === 'refused') {
        at += 1
        await delay(pauseMs)
      } else if (ending.how === 'end' && ending.text !== '') this.#note(ending.text)
      else this.#failures.push(ending)
      await delay(restMs)
    }
  }

  #note(answer: string): void {
    const nowMs = performance.now()
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#answeredMs)
    this.#answeredMs = nowMs
    this.#answers.push(answer.trim())
  }
}
