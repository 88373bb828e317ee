import { lstatSync } from 'node:fs'
import { makeRunDir, type RunFiles } from '../config/run-dir.ts'
import type { ControlServer } from '../control/server.ts'
import { HelloserverError } from '../errors.ts'
import { Keeper, type KeeperListener, type Kept, type Loss } from '../files/keeper.ts'
import type { PidFile } from '../lock/pid-file.ts'
import type { PidLock } from '../lock/pid-lock.ts'
import type { Events } from '../telemetry/events.ts'
import type { LogFile } from '../telemetry/log-file.ts'
import type { Logger } from '../telemetry/logger.ts'

/**
 * Keeps the files of a service in their places: the log for as long as this process writes one, and the files by which
 * the service is found, those of its Unix sockets among them, for as long as this process is the service.
 */
export class KeptFiles implements KeeperListener {
  readonly #files: RunFiles
  readonly #events: Events
  readonly #log: Logger
  readonly #logFile: Kept | undefined
  readonly #keeper: Keeper
  /** Files that another process replaces with its own when it becomes the service. */
  #public: readonly Kept[] = []
  #arePublicKept = false

  /**
   * @param logFile - undefined in the foreground
   * @param sockets - the files of the Unix sockets that clients, and the next primary, connect to
   */
  constructor(
    files: RunFiles,
    logFile: LogFile | undefined,
    sockets: () => readonly Kept[],
    events: Events,
    log: Logger,
  ) {
    this.#files = files
    this.#events = events
    this.#log = log
    this.#logFile = logFile === undefined ? undefined : logOf(files, logFile)
    this.#keeper = new Keeper(this, () => (this.#arePublicKept ? sockets() : []))
    this.#keeper.keep(runDirectory(files))
    if (this.#logFile !== undefined) this.#keeper.keep(this.#logFile)
  }

  onPutBack(kept: Kept, loss: Loss): void {
    const { what: file, path } = kept
    // Log rotation is normal.
    if (kept === this.#logFile)
      this.#log.info({ path, loss }, `The log was ${loss}; continuing in the file at its path`)
    else this.#events.record('file-restored', { file, path, loss })
  }

  onFailure({ what: file, path }: Kept, loss: Loss, reason: string): void {
    this.#events.record('file-lost', { file, path, loss, reason })
  }

  /** This process is the service, and its files are in place. */
  keepPublicFiles(lock: PidLock, control: ControlServer, pidFile: PidFile): void {
    const files = this.#files
    // Created once, since the keeper knows them by identity.
    if (this.#public.length === 0) {
      this.#public = [
        lockFileOf(files, lock),
        lockOfDirectory(files, lock),
        controlSocket(files, control),
        pidFileOf(files, pidFile, lock),
      ]
    }
    this.#keeper.keep(...this.#public)
    this.#arePublicKept = true
  }

  /** Another process may put its files in place; resolves when nothing is being put back. */
  leavePublicFiles(): Promise<void> {
    this.#arePublicKept = false
    return this.#keeper.leave(...this.#public)
  }

  /** Checks the files at once. */
  check(): Promise<void> {
    return this.#keeper.check()
  }

  /** The service ends here and removes its files; resolves when nothing is being put back. */
  close(): Promise<void> {
    return this.#keeper.close()
  }
}

function runDirectory(files: RunFiles): Kept {
  const { runDir: path } = files
  let trusted = ownerOf(path)
  return {
    what: 'run directory',
    path,
    isGround: true,
    isThere: () => ownerOf(path) === trusted,
    putBack: () => {
      makeRunDir(files)
      trusted = ownerOf(path)
    },
  }
}

/**
 * The folder's identity, owner and write permissions: a different folder must be checked before anything is
 * put there.
 */
function ownerOf(folder: string): string | undefined {
  const stats = lstatSync(folder, { throwIfNoEntry: false })
  return stats && `${stats.dev}:${stats.ino} ${stats.uid} ${stats.mode & 0o022}`
}

function logOf({ logFile: path }: RunFiles, logFile: LogFile): Kept {
  return {
    what: 'log',
    path,
    isThere: () => logFile.isThere,
    putBack: () => logFile.reopen(),
  }
}

/** If another process holds the lock by now, this one puts nothing back. */
function lockFileOf({ lockFile: path }: RunFiles, lock: PidLock): Kept {
  return {
    what: 'lock file',
    path,
    isGround: true,
    isThere: () => lock.isThere,
    putBack: async () => void (await lock.restore()),
  }
}

/**
 * The lock that keeps systemd-tmpfiles out of the run directory; it cannot be acquired while systemd-tmpfiles
 * scans that directory.
 */
function lockOfDirectory({ runDir: path }: RunFiles, lock: PidLock): Kept {
  return {
    what: 'lock of the run directory',
    path,
    isThere: () => lock.isDirectoryHeld,
    putBack: async () => {
      await lock.restore()
      if (lock.isDirectoryHeld) return
      throw new HelloserverError('BOOT_FAILED', 'Another process has locked the directory')
    },
  }
}

function controlSocket({ socketFile: path }: RunFiles, control: ControlServer): Kept {
  return {
    what: 'control socket',
    path,
    isThere: () => control.isThere,
    putBack: () => control.putBack(),
  }
}

function pidFileOf({ pidFile: path }: RunFiles, pidFile: PidFile, lock: PidLock): Kept {
  return {
    what: 'PID file',
    path,
    isThere: () => pidFile.isThere,
    putBack: () => {
      pidFile.write()
      lock.sign()
    },
  }
}
