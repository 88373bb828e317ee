import { rmSync } from 'node:fs'
import type { RunFiles } from '../config/run-dir.ts'
import type { ControlServer } from '../control/server.ts'
import { HelloserverError } from '../errors.ts'
import type { ListeningHandle } from '../ipc/socket-handle.ts'
import { PidFile } from '../lock/pid-file.ts'
import { PidLock } from '../lock/pid-lock.ts'
import type { CleanupStack } from './cleanup-stack.ts'
import type { KeptFiles } from './kept-files.ts'

/** The files by which this process is found as the service: its lock, its control socket and its PID file. */
export class PublicFiles {
  readonly #files: RunFiles
  readonly #stack: CleanupStack
  readonly #control: ControlServer
  readonly #kept: KeptFiles
  readonly #pidFile: PidFile
  #lock: PidLock | undefined

  /** @param lock - undefined in a successor, which gets it later */
  constructor(
    files: RunFiles,
    stack: CleanupStack,
    control: ControlServer,
    kept: KeptFiles,
    lock: PidLock | undefined,
  ) {
    this.#files = files
    this.#stack = stack
    this.#control = control
    this.#kept = kept
    this.#pidFile = new PidFile(files.pidFile)
    this.#lock = lock
  }

  /** The lock that keeps other processes from being this service. */
  get lock(): PidLock {
    if (this.#lock !== undefined) return this.#lock
    throw new HelloserverError('BOOT_FAILED', 'The predecessor has not passed on its lock yet')
  }

  /** Takes the lock over from a predecessor. */
  async adoptLock(handle: ListeningHandle | undefined): Promise<void> {
    const lock = await PidLock.adopt(this.#files, handle)
    this.#lock = lock
    this.#stack.push('PID lock', () => lock.release())
  }

  /** Binds the control socket; it cannot be found yet. */
  async openControl(): Promise<void> {
    await this.#control.bind(this.#files.socketFile)
    this.#stack.push('control socket', () => this.#control.close())
  }

  /** Puts the control socket at its public path. */
  publishControl(): void {
    const { socketFile } = this.#files
    this.#control.publish()
    this.#keep()
    this.#stack.push('path of the control socket', () => rmSync(socketFile, { force: true }))
  }

  writePidFile(): void {
    this.#pidFile.write()
    this.lock.sign()
    this.#stack.push('PID file', () => this.#pidFile.remove())
  }

  /** Checks that the files are in their places. */
  check(): Promise<void> {
    return this.#kept.check()
  }

  /** A successor may put its own files in place; resolves when this process puts none back any more. */
  yield(): Promise<void> {
    return this.#kept.leavePublicFiles()
  }

  /** The successor has failed, and may have put its files in place before: puts them back. */
  restore(): Promise<void> {
    this.#keep()
    return this.#kept.check()
  }

  /** The service ends here and removes its files; resolves when none of them is being put back. */
  close(): Promise<void> {
    return this.#kept.close()
  }

  #keep(): void {
    this.#kept.keepPublicFiles(this.lock, this.#control, this.#pidFile)
  }
}
