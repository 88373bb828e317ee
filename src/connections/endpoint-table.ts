import type { ListenSettings } from '../config/listen.ts'

/** An endpoint's settings, and the number by which workers know them. */
export interface NumberedEndpoint {
  readonly number: number
  readonly settings: ListenSettings
}

/**
 * Numbers the settings of endpoints, so that a worker can be told in two digits where a connection has come from.
 *
 * A reload can change the settings of an endpoint while connections that were accepted before still wait, so a number
 * stands for the same settings as long as this process runs, and nothing is ever removed.
 */
export class EndpointTable {
  readonly #all: NumberedEndpoint[] = []
  readonly #byText = new Map<string, NumberedEndpoint>()
  #onAdded: () => void = () => {}

  /** All settings so far; the index is the number. */
  get all(): readonly ListenSettings[] {
    return this.#all.map(({ settings }) => settings)
  }

  /** Has `onAdded` called when there is a new number. */
  follow(onAdded: () => void): void {
    this.#onAdded = onAdded
  }

  /** The number of these settings, which is a new one unless equal ones have it. */
  numbered(settings: ListenSettings): NumberedEndpoint {
    const text = JSON.stringify(settings)
    const known = this.#byText.get(text)
    if (known !== undefined) return known
    const added = { number: this.#all.length, settings }
    this.#all.push(added)
    this.#byText.set(text, added)
    this.#onAdded()
    return added
  }
}
