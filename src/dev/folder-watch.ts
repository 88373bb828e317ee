import { type FSWatcher, statSync, watch } from 'node:fs'
import { codeOf, HelloserverError, messageOf } from '../errors.ts'

/**
 * Watches folders for any change in them.
 *
 * It watches folders rather than files, because an editor that saves by renaming replaces the file, and a watch would
 * stay with the old one. It does not use `recursive`, because Node.js would then watch every file below, including
 * node_modules. With inotify(7), this needs neither polling nor another package.
 */
export class FolderWatch {
  readonly #onEvent: () => void
  readonly #watched = new Map<string, { readonly identity: string; readonly watcher: FSWatcher }>()

  /** @param onEvent - called at each change in any of the folders; the caller finds out which file has changed */
  constructor(onEvent: () => void) {
    this.#onEvent = onEvent
  }

  /**
   * Watches these folders from now on, and no others.
   *
   * @throws HelloserverError `BOOT_FAILED` when the system does not allow that many watches
   */
  set(folders: ReadonlySet<string>): void {
    for (const [folder, { identity, watcher }] of this.#watched) {
      // A replaced folder has the same path, but the watch is on the old one.
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
      if (!unwatchable.has(codeOf(error))) throw cannotWatch(folder, error)
    }
  }
}

/** Gone in this moment, or another user's. */
const unwatchable: ReadonlySet<string | undefined> = new Set(['ENOENT', 'ENOTDIR', 'EACCES'])

/** Undefined where nothing can be watched. */
function identityOf(folder: string): string | undefined {
  try {
    const { dev, ino, birthtimeMs } = statSync(folder)
    return `${dev}:${ino} ${birthtimeMs}`
  } catch (error) {
    if (unwatchable.has(codeOf(error))) return undefined
    throw cannotWatch(folder, error)
  }
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
      : `the system's limit for this user is reached; end another program that watches files, or raise ${limit} with sysctl(8)`
  return new HelloserverError('BOOT_FAILED', `Cannot watch ${folder}: ${reason}`, { cause: error })
}
