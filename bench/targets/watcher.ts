/** The interval between scrapes by Prometheus, in milliseconds. */
const scrapeEveryMs = 1_000

/** Watches the service like a user with the page open and a Prometheus. */
export class Watcher {
  readonly #origin: string
  readonly #over = new AbortController()
  #scraping: NodeJS.Timeout | undefined
  #problem: unknown
  #seen = 0

  constructor(port: number) {
    this.#origin = `http://127.0.0.1:${port}`
  }

  /** Resolves when both have received their first answer. */
  async start(): Promise<void> {
    const { signal } = this.#over
    const live = await fetch(`${this.#origin}/api/live`, { signal })
    if (!live.ok || live.body === null) throw new Error(`The live view answered ${live.status}`)
    void this.#keep(this.#read(live.body))
    await this.#scrape()
    this.#scraping = setInterval(() => void this.#keep(this.#scrape()), scrapeEveryMs)
  }

  stop(): void {
    clearInterval(this.#scraping)
    this.#over.abort()
  }

  /** @throws the error that interrupted the watching, because the figures would then be those of something else */
  mustWatch(): void {
    if (this.#problem !== undefined) throw this.#problem
  }

  async #read(body: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of body) this.#seen += chunk.length
    throw new Error(`The live view ended after ${this.#seen} bytes`)
  }

  async #scrape(): Promise<void> {
    const answer = await fetch(`${this.#origin}/metrics`, { signal: this.#over.signal })
    if (!answer.ok) throw new Error(`The metrics answered ${answer.status}`)
    await answer.text()
  }

  async #keep(watching: Promise<void>): Promise<void> {
    try {
      await watching
    } catch (error) {
      if (!this.#over.signal.aborted) this.#problem ??= error
    }
  }
}
