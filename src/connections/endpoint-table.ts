import type { ListenSettings } from '../config/listen.ts'
import type { ServedEndpoint } from '../ipc/worker-messages.ts'
import { type Keyring, keyringText } from '../tls/keyring.ts'
import type { LoadedTls } from '../tls/read-tls.ts'

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
  #keyring: Keyring = new Map()

  /** All settings so far, with what workers need for them; the index is the number. */
  get all(): readonly ServedEndpoint[] {
    return this.#all.map(({ settings }) => ({
      settings,
      tls: this.tlsOf(settings)?.material ?? null,
    }))
  }

  /** The TLS of all settings so far. */
  get keyring(): Keyring {
    return this.#keyring
  }

  /** The settings with a number; undefined when it does not exist. */
  find(number: number): NumberedEndpoint | undefined {
    return this.#all[number]
  }

  /** The settings with a number that exists. */
  at(number: number): NumberedEndpoint {
    const found = this.find(number)
    if (found === undefined) throw new RangeError(`No endpoint has the number ${number}`)
    return found
  }

  tlsOf(settings: ListenSettings): LoadedTls | undefined {
    const text = keyringText(settings)
    return text === undefined ? undefined : this.#keyring.get(text)
  }

  /**
   * Gives workers that are started from now on, and endpoints that are new, this TLS; for others, that of before stays.
   *
   * @returns a function that undoes it
   */
  equip(keyring: Keyring): () => void {
    const before = this.#keyring
    this.#keyring = new Map([...before, ...keyring])
    return () => {
      this.#keyring = before
    }
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
