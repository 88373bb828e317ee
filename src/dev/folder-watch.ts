import { type FSWatcher, statSync, watch } from 'node:fs'
import { codeOf, HelloserverError, messageOf } from '../errors.ts'

/**
 * Watches folders for any change in them.
 *
 * Folders, not files: an editor that saves by renaming replaces the file, and a watch on a file stays with the old
 * one. And single folders, not `recursive`, for which Node.js watches every file below, those of node_modules too.
 * inotify(7) needs neither polling nor another package for that.
 */
export class FolderWatch {
  readonly #onEvent: () => void
  readonly #watched = new Map<string, { readonly identity: string; readonly watcher: FSWatcher }>()

  /** @param onEvent - called at each change in any of the folders; what has changed is for the caller to find */
  constructor(onEvent: () => void) {
    this.#onEvent = onEvent
  }

  /**
   * Watches these folders from now on, and no others.
   *
   * @throws HelloserverError `BOOT_FAILED` when the system does not allow so many
   */
  set(folders: ReadonlySet<string>): void {
    for (const [folder, { identity, watcher }] of this.#watched) {
      // A folder that was replaced has the same path, and the watch is on the old one.
      if (folders.has(folder) && identityOf(folder) === identity) continue
      watcher.close()
      this.#watched.delete(folder)
    }
    for (const folder of folders) if (!this.#watched.has(folder)) this.#watch(folder)
  }

  close(): void {
    this.set(new Set())
  }

  #watch(folder: string): void {
    const identity = identityOf(folder)
    // It is gone again; the watch on its parent reports that.
    if (identity === undefined) return
    try {
      const watcher = watch(folder, () => this.#onEvent())
      watcher.on('error', () => this.#onEvent())
      this.#watched.set(folder, { identity, watcher })
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw cannotWatch(folder, error)
    }
  }
}

function identityOf(folder: string): string | undefined {
  const stats = statSync(folder, { throwIfNoEntry: false })
  return stats && `${stats.dev}:${stats.ino} ${stats.birthtimeMs}`
}

const limits: Readonly<Record<string, string>> = {
  ENOSPC: 'fs.inotify.max_user_watches',
  EMFILE: 'fs.inotify.max_user_instances',
}

function cannotWatch(folder: string, error: unknown): HelloserverError {
  const limit = limits[codeOf(error) ?? '']
  const reason =
    limit === undefined
      ? messageOf(error)
      : `this user's programs watch as much as the system allows; end some, or raise ${limit} with sysctl(8)`
  return new HelloserverError('BOOT_FAILED', `Cannot watch ${folder}: ${reason}`, { cause: error })
}
