import { messageOf } from '../errors.ts'

/** Resources to release, the last one taken first; each is released once. */
export class CleanupStack {
  readonly #releases: { readonly name: string; readonly release: () => void }[] = []
  readonly #onFailure: (name: string, message: string) => void

  /** @param onFailure - called for a release that threw; the others are still performed */
  constructor(onFailure: (name: string, message: string) => void) {
    this.#onFailure = onFailure
  }

  /** Remembers how to release a resource. Synchronous, so that the handler of a fatal signal can still do it. */
  push(name: string, release: () => void): void {
    this.#releases.push({ name, release })
  }

  /** Forgets everything, since another process releases it. */
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
