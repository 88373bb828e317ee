import { setTimeout as delay } from 'node:timers/promises'
import { ask, type Ending } from './client.ts'

/** What a load saw. */
export interface LoadResult {
  readonly asked: number
  /** Clients that did not get their whole answer, or not a clean end. */
  readonly failures: readonly Ending[]
}

/** A load that nobody stops, because its test failed, ends by itself; in milliseconds. */
const longestMs = 60_000
/** A client rests between two lines: the processor is for what goes on under the load. In milliseconds. */
const restMs = 10

/** Clients that ask one after the other, each with a line of its own, until told to stop. */
export class Load {
  readonly #port: number
  readonly #isRight: (line: string, answer: string) => boolean
  readonly #clients: Promise<void>[]
  readonly #failures: Ending[] = []
  #isStopping = false
  #asked = 0

  /** @param isRight - whether a line was answered as it should be; an echo when left out */
  constructor(port: number, clients: number, isRight = isEcho) {
    this.#port = port
    this.#isRight = isRight
    this.#clients = Array.from({ length: clients }, (_, index) => this.#run(index))
    setTimeout(() => {
      this.#isStopping = true
    }, longestMs).unref()
    // What a client throws is the test's when `stop` is awaited.
    for (const client of this.#clients) client.catch(() => {})
  }

  get asked(): number {
    return this.#asked
  }

  /** Lets every client finish what it asked; one that hangs fails the test. */
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
