import { rmSync } from 'node:fs'
import { getSystemErrorName } from 'node:util'
import type { RunFiles } from '../config/run-dir.ts'
import type { QueueEnds } from '../connections/kernel-queue.ts'
import { Ledger, ledgerBytes } from '../connections/ledger.ts'
import type * as HandOff from '../connections/lifeline.ts'
import { HelloserverError } from '../errors.ts'
import { identityOf } from '../files/file-identity.ts'
import type { Kept } from '../files/keeper.ts'
import { putInPlace } from '../files/put-in-place.ts'
import type { BoundListener } from '../ipc/socket-handle.ts'
import type { NativeModule } from '../native/native.ts'
import { Legacy } from './legacy.ts'
import { newMark } from './worker-mark.ts'

/** What it leaves besides its ledger. */
interface Left {
  readonly queue: QueueEnds
  readonly listeners: readonly BoundListener[]
}

/**
 * What a primary keeps up for the one that has to continue after it was killed: its ledger, what it leaves, and the
 * Unix socket at which its workers then wait. Each worker holds all three.
 */
export class Lifeline implements HandOff.Lifeline {
  readonly ledger: Ledger
  readonly mark: string
  readonly queue: QueueEnds | undefined
  /** The file of that socket. */
  readonly kept: Kept
  readonly #ledgerFd: number
  readonly #legacy: Legacy
  readonly #native: NativeModule
  #socket: number
  readonly #path: string
  #identity: string | undefined
  #left: Left | undefined
  #isPublic = false

  /**
   * @param queue - the queue of a primary that has died
   * @throws HelloserverError `BOOT_FAILED` when the system gives no memory, descriptors or socket
   */
  constructor(native: NativeModule, files: RunFiles, queue?: QueueEnds) {
    const { rescueFile } = files
    this.mark = newMark(files)
    const page = native.openPage(ledgerBytes, true, 'helloserver ledger')
    if (typeof page === 'number') throw failure('a ledger', page)
    this.queue = queue
    this.ledger = new Ledger(page.memory)
    this.#ledgerFd = page.fd
    this.#legacy = new Legacy(native)
    this.#native = native
    this.#path = rescueFile
    this.kept = {
      what: 'socket of the workers',
      path: rescueFile,
      isThere: () => !this.#isPublic || identityOf(rescueFile) === this.#identity,
      putBack: () => this.#putBack(),
    }
    this.#socket = this.#open()
  }

  get fds(): readonly number[] {
    return [this.#legacy.fd, this.#socket]
  }

  /** Leaves these to the next primary from now on. */
  leave(queue: QueueEnds, listeners: readonly BoundListener[]): void {
    this.#left = { queue, listeners }
    this.#legacy.leave(this.#ledgerFd, queue, this.#socket, listeners)
  }

  /** The next primary finds the workers of this one from now on. */
  publish(): void {
    putInPlace(this.#temporaryPath, this.#path)
    this.#isPublic = true
  }

  /** The service ends in good order: removes the file, unless it is another process's by now. */
  remove(): void {
    if (this.#isPublic && identityOf(this.#path) === this.#identity) rmSync(this.#path)
  }

  /** This process ends before it was the service. */
  forget(): void {
    if (!this.#isPublic) rmSync(this.#temporaryPath, { force: true })
  }

  /** Another socket, as a file that was removed cannot come back; the workers find it in what is left to them. */
  #putBack(): void {
    const former = this.#socket
    this.#socket = this.#open()
    try {
      if (this.#left !== undefined) this.leave(this.#left.queue, this.#left.listeners)
      this.publish()
    } finally {
      this.#native.close(former)
      rmSync(this.#temporaryPath, { force: true })
    }
  }

  #open(): number {
    rmSync(this.#temporaryPath, { force: true })
    const socket = this.#native.listenAt(this.#temporaryPath)
    if (socket < 0) throw failure(`the Unix socket ${this.#temporaryPath}`, socket)
    this.#identity = identityOf(this.#temporaryPath)
    return socket
  }

  get #temporaryPath(): string {
    return `${this.#path}.${process.pid}`
  }
}

function failure(what: string, errno: number): HelloserverError {
  return new HelloserverError('BOOT_FAILED', `Cannot open ${what}: ${getSystemErrorName(errno)}`)
}
