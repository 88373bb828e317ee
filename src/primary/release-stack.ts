import { messageOf } from '../errors.ts'

/** What was taken and must be given back, last taken first; each is given back once. */
export class ReleaseStack {
  readonly #releases: { readonly name: string; readonly release: () => void }[] = []
  readonly #onFailure: (name: string, message: string) => void

  /** @param onFailure - told of a release that threw; the others go on */
  constructor(onFailure: (name: string, message: string) => void) {
    this.#onFailure = onFailure
  }

  /** Remembers how to give something back. Synchronous, so that a fatal signal's handler can still do it. */
  push(name: string, release: () => void): void {
    this.#releases.push({ name, release })
  }

  /** Somebody else releases all of it. */
  forgetAll(): void {
    this.#releases.length = 0
  }

  releaseAll(): void {
    for (let top = this.#releases.pop(); top !== undefined; top = this.#releases.pop()) {
      try {
        top.release()
      } catch (error) {
        this.#onFailure(top.name, messageOf(error))
      }
    }
  }
}
