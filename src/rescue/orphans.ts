import { closeSync, constants, fstatSync, openSync } from 'node:fs'
import { deferred } from '../async/deferred.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { NativeHandOff } from '../connections/native-hand-off.ts'
import { codeOf } from '../errors.ts'
import { identityOf } from '../files/file-identity.ts'
import { O_PATH } from '../files/o-path.ts'
import { mustBeOwnSocket } from '../files/trust.ts'
import type { ToWorker } from '../ipc/worker-messages.ts'
import { PageReader, pageBytes } from '../ipc/worker-page.ts'
import { errnos, type NativeModule, seals } from '../native/native.ts'
import type { WorkerStatus } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Orphan } from './orphan.ts'
import { askAgainMs, killedWithinMs } from './patience.ts'
import type { Found } from './rescue.ts'
import { RescueChannel } from './rescue-channel.ts'
import { decodeHello, rescueProtocol } from './rescue-messages.ts'
import { killStrays, lookAgainMs, strays } from './strays.ts'

/** Reads what a worker passes on, which belongs to this function; or tells why it cannot be used. */
type ReadLegacy = (legacy: number) => Found | string

/**
 * The workers of a primary that was killed. Each of them answers once, when its event loop turns; the kernel tells when
 * the last one has ended, whether it has answered or not: nobody holds the socket any more at which they wait.
 */
export class Orphans {
  readonly #native: NativeModule
  readonly #files: RunFiles
  readonly #log: Logger
  /** The file of that socket, whatever its path leads to by now. */
  readonly #file: number
  readonly #all = new Set<Orphan>()
  readonly #answered = deferred<Found | undefined>()
  readonly #read: ReadLegacy
  readonly #gone = deferred<void>()
  readonly #channels = new Set<RescueChannel>()
  #hasFirst = false
  #hasLeft = false
  #haveEnded = false
  #handOff: NativeHandOff | undefined
  /** What those are told that answer from now on. */
  #told: ToWorker | undefined
  #killing: NodeJS.Timeout | undefined

  private constructor(
    native: NativeModule,
    files: RunFiles,
    file: number,
    read: ReadLegacy,
    log: Logger,
  ) {
    this.#native = native
    this.#read = read
    this.#files = files
    this.#log = log
    this.#file = file
    this.#ask()
  }

  /**
   * Asks the workers of a dead primary, if there are any. The caller must hold the lock.
   *
   * @param read - reads what the first one passes on; if that cannot be used, the next one is the first
   * @throws HelloserverError `BAD_CONFIG` for a socket that another user may have put there
   */
  static find(
    native: NativeModule,
    files: RunFiles,
    read: ReadLegacy,
    log: Logger,
  ): Orphans | undefined {
    const { rescueFile } = files
    try {
      mustBeOwnSocket('socket of the workers', rescueFile)
      const file = openSync(rescueFile, O_PATH | constants.O_NOFOLLOW)
      return new Orphans(native, files, file, read, log)
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /** Resolves with what the first one has passed on; undefined when there is none. */
  get first(): Promise<Found | undefined> {
    return this.#answered.promise
  }

  /** Whether all have ended. */
  get haveEnded(): boolean {
    return this.#haveEnded
  }

  /** Resolves when all have ended. */
  get gone(): Promise<void> {
    return this.#gone.promise
  }

  get status(): WorkerStatus[] {
    return [...this.#all].map((orphan) => orphan.status)
  }

  /** Has them report to `handOff`. */
  report(handOff: NativeHandOff): void {
    this.#handOff = handOff
    for (const orphan of this.#all) this.#follow(orphan)
  }

  /** Ends each after its active connection. Those that have not ended within `withinMs` are killed. */
  retire(withinMs: number): void {
    if (this.#haveEnded) return
    this.#tell({ kind: 'retire' })
    this.#killing ??= setTimeout(() => this.kill(), withinMs).unref()
  }

  /** Has each drop its connection and end. */
  terminate(): void {
    this.#tell({ kind: 'terminate' })
  }

  /** Tells those that have answered. */
  tell(message: ToWorker): void {
    for (const orphan of this.#all) orphan.tell(message)
  }

  /** Leaves them as they are, for the next primary. */
  leave(): void {
    this.#hasLeft = true
    for (const channel of this.#channels) channel.close()
    this.#end()
  }

  /** Kills all of them, also those that do not answer; nobody waits any longer for those that cannot be found. */
  kill(): void {
    killStrays(this.#files, this.#log)
    setTimeout(() => this.#giveUp(), killedWithinMs).unref()
  }

  #giveUp(): void {
    if (this.#haveEnded) return
    this.#log.warn('The workers of a dead primary go on, and cannot be found')
    this.leave()
    for (const orphan of this.#all) this.#lose(orphan)
  }

  /** Tells all of them, also those that have yet to answer. */
  #tell(message: ToWorker): void {
    this.#told = message
    this.tell(message)
  }

  /** Waits for the answer of one that has not answered. */
  #ask(): void {
    if (this.#hasLeft) return
    const connection = this.#native.connectTo(this.#address)
    // Those that were killed while they waited may fill the queue.
    if (connection === errnos.again) setTimeout(() => this.#ask(), askAgainMs)
    else if (connection >= 0) this.#await(connection)
    else if (this.#areThere(connection)) setTimeout(() => this.#ask(), lookAgainMs)
    else this.#end()
  }

  /** Whether there may be workers, although nobody could be asked. */
  #areThere(errno: number): boolean {
    // Without /proc, the socket cannot be reached once another file is in its place.
    if (errno !== errnos.connectionRefused && this.#all.size > 0) return true
    // Where others had removed the file, it leads to another socket, which a worker that hangs has yet to learn of.
    return strays(this.#files).length > 0
  }

  /** The path, while it leads to that file: there may be no /proc. */
  get #address(): string {
    const { rescueFile } = this.#files
    const isInPlace = identityOf(rescueFile) === identityOf(this.#file)
    return isInPlace ? rescueFile : `/proc/self/fd/${this.#file}`
  }

  #await(connection: number): void {
    let hasAnswered = false
    let orphan: Orphan | undefined
    const channel = new RescueChannel(this.#native, connection, {
      onMessage: (message, fds) => {
        if (hasAnswered) {
          for (const fd of fds) this.#native.close(fd)
          return
        }
        hasAnswered = true
        orphan = this.#admit(channel, message, fds)
        this.#ask()
      },
      onClosed: () => {
        this.#channels.delete(channel)
        if (orphan !== undefined) this.#lose(orphan)
        else if (!hasAnswered) setTimeout(() => this.#ask(), askAgainMs)
      },
    })
    this.#channels.add(channel)
  }

  /** No process has the socket any more. */
  #end(): void {
    if (this.#haveEnded) return
    clearTimeout(this.#killing)
    closeSync(this.#file)
    this.#haveEnded = true
    this.#answered.resolve(undefined)
    this.#gone.resolve()
  }

  #admit(channel: RescueChannel, message: unknown, fds: readonly number[]): Orphan | undefined {
    const hello = decodeHello(message)
    const [page = -1, legacy = -1, ...others] = fds
    for (const fd of others) this.#native.close(fd)
    const memory = page < 0 ? undefined : this.#map(page)
    const isSound = hello?.protocol === rescueProtocol && memory !== undefined && legacy >= 0
    if (!isSound || !this.#receive(legacy)) {
      // It serves, but cannot report: it ends after its connection.
      channel.send({ kind: 'retire' })
      if (!isSound && legacy >= 0) this.#native.close(legacy)
      return undefined
    }
    const orphan = new Orphan(hello, new PageReader(memory), channel)
    this.#all.add(orphan)
    if (this.#handOff !== undefined) this.#follow(orphan)
    if (this.#told !== undefined) orphan.tell(this.#told)
    return orphan
  }

  /** Takes over what a worker passes on, all of which is the same; returns whether it could be used. */
  #receive(legacy: number): boolean {
    if (this.#hasFirst) {
      this.#native.close(legacy)
      return true
    }
    const found = this.#read(legacy)
    if (typeof found === 'string') {
      this.#log.warn({ reason: found }, 'A worker of a dead primary passes on nothing of use')
      return false
    }
    this.#hasFirst = true
    this.#answered.resolve(found)
    return true
  }

  /** A page that its worker cannot cut short, which would end this process. */
  #map(page: number): ArrayBuffer | undefined {
    const isSealed = (this.#native.sealsOf(page) & seals.size) === seals.size
    const isPage = this.#native.sealsOf(page) >= 0 && isSealed && fstatSync(page).size === pageBytes
    const memory = isPage ? this.#native.mapPage(page, pageBytes) : undefined
    this.#native.close(page)
    return typeof memory === 'number' ? undefined : memory
  }

  #follow(orphan: Orphan): void {
    this.#handOff?.follow(orphan, orphan.page)
  }

  #lose(orphan: Orphan): void {
    this.#all.delete(orphan)
    this.#handOff?.settle()
    this.#handOff?.lost(orphan, { claimed: 0, lastStep: undefined }, 'its primary was killed')
  }
}
