import { setTimeout as delay } from 'node:timers/promises'
import { ask, type Ending } from './client.ts'

/** The outcome of a load. */
export interface LoadResult {
  readonly asked: number
  /** Clients that did not get a complete answer or a clean end. */
  readonly failures: readonly Ending[]
}

/** How long a load runs if a failed test does not stop it, in milliseconds. */
const longestMs = 60_000
/** The pause between two lines of a client, in milliseconds: it leaves the processor to the processes under load. */
const restMs = 25

/** Clients that send one request after the other, each with its own line, until told to stop. */
export class Load {
  readonly #port: number
  readonly #isRight: (line: string, answer: string) => boolean
  readonly #clients: Promise<void>[]
  readonly #failures: Ending[] = []
  #isStopping = false
  #asked = 0

  /** @param isRight - whether the answer to a line is right; by default, an echo is */
  constructor(port: number, clients: number, isRight = isEcho) {
    this.#port = port
    this.#isRight = isRight
    this.#clients = Array.from({ length: clients }, (_, index) => this.#run(index))
    setTimeout(() => {
      this.#isStopping = true
    }, longestMs).unref()
    // A client's error is rethrown when `stop` is awaited.
    for (const client of this.#clients) client.catch(() => {})
  }

  get asked(): number {
    return this.#asked
  }

  /** Lets every client finish its current request; one that hangs fails the test. */
  async stop(): Promise<LoadResult> {
    this.#isStopping = true
    await Promise.all(this.#clients)
    return { asked: this.#asked, failures: this.#failures }
  }

  async #run(index: number): Promise<void> {
    for (let count = 0; !this.#isStopping; count += 1) {
      const line = `client ${index}, line ${count}, ${'x'.repeat(count % 700)}\r\n`
      this.#asked += 1
      const ending = await ask(this.#port, line)
      if (ending.how !== 'end' || !this.#isRight(line, ending.text)) this.#failures.push(ending)
      await delay(restMs)
    }
  }
}

const isEcho = (line: string, answer: string) => line === answer
