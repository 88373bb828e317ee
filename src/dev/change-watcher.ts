import { deferred } from '../async/deferred.ts'
import { type AppFiles, changedFiles } from './app-files.ts'
import { FolderWatch } from './folder-watch.ts'

/** A save may take several writes, a checkout many: they are over after this long without an event, in milliseconds. */
const quietMs = 100
/** The longest wait for such a pause, in milliseconds. */
const mostMs = 2_000

/**
 * Finds out which of an app's files have changed. An event is only the occasion to compare their contents. So a file
 * that was saved unchanged does not count, and a change during a reload is seen after it.
 */
export class ChangeWatcher {
  readonly #look: () => AppFiles
  readonly #folders = new FolderWatch(() => this.#stir())
  #contents: AppFiles['contents']
  #event = deferred<void>()
  #lastEventMs = 0

  /**
   * @param look - returns the files as they are on the disk
   * @throws HelloserverError `BOOT_FAILED` when the system does not allow watching them
   */
  constructor(look: () => AppFiles) {
    this.#look = look
    this.#contents = this.#refresh()
  }

  /**
   * Resolves with the paths that have changed since the last call, or since the beginning.
   *
   * @throws HelloserverError `BOOT_FAILED` when the system does not allow watching a new folder
   */
  async next(): Promise<readonly string[]> {
    for (;;) {
      this.#event = deferred()
      const contents = this.#refresh()
      const changed = changedFiles(this.#contents, contents)
      this.#contents = contents
      if (changed.length > 0) return changed
      await this.#event.promise
      await this.#quiet()
    }
  }

  close(): void {
    this.#folders.close()
  }

  /** Watches before it reads, so that a change after the read causes an event. */
  #refresh(): AppFiles['contents'] {
    this.#folders.set(this.#look().folders)
    return this.#look().contents
  }

  #stir(): void {
    this.#lastEventMs = performance.now()
    this.#event.resolve()
  }

  async #quiet(): Promise<void> {
    const sinceMs = performance.now()
    for (;;) {
      const nowMs = performance.now()
      const leftMs = Math.min(this.#lastEventMs + quietMs, sinceMs + mostMs) - nowMs
      if (leftMs <= 0) return
      await new Promise((resolve) => {
        setTimeout(resolve, leftMs)
      })
    }
  }
}
