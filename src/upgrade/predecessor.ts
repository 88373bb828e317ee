import { deferred } from '../async/deferred.ts'
import { version } from '../build-id.ts'
import { type ErrorCode, HelloserverError } from '../errors.ts'
import type { BoundListener, ListeningHandle, SocketHandle } from '../ipc/socket-handle.ts'
import type { Hold } from '../lease/lease.ts'
import {
  type FromSuccessor,
  type HandoverState,
  type PassedConnection,
  type Tally,
  type ToSuccessor,
  upgradeProtocol,
} from './upgrade-messages.ts'

/** How long a predecessor may overrun the time that it was given to end, in milliseconds. */
const overdueMs = 5_000

/** Receives what the predecessor sends once this process serves. */
export interface PredecessorListener {
  /** @param settings - those of the endpoint that has accepted it; undefined if it has the only one */
  onConnection(handle: SocketHandle, passed: PassedConnection): void
  onTally(tally: Tally): void
  /** The predecessor has ended, and with it all connections that it still had. */
  onGone(): void
}

/** The listening sockets that this process takes over unless the service stands by, and the lease if it has one. */
export interface Offer {
  readonly listeners: readonly BoundListener[]
  readonly hold: Hold | null
  /** They are those of a primary that was killed, which may have been long ago. */
  readonly isOfDead?: true
}

/** The primary from which this process takes over the service, at the other end of Node's channel. */
export class Predecessor {
  readonly #state = deferred<HandoverState>()
  readonly #lock = deferred<ListeningHandle | undefined>()
  readonly #listeners: BoundListener[] = []
  readonly #hasListeners = deferred<void>()
  readonly #go = deferred<Hold | null>()
  readonly #gone = deferred<void>()
  readonly #pid = process.ppid
  #listener: PredecessorListener | undefined
  #mayServe = false
  #overdue: NodeJS.Timeout | undefined
  #isBridgeExpected = false

  constructor() {
    process.on('message', (message, handle) => this.#receive(message as ToSuccessor, handle))
    process.once('disconnect', () => {
      this.#gone.resolve()
      clearTimeout(this.#overdue)
      this.#listener?.onGone()
    })
    // The end of the channel reports its death.
    process.on('error', () => {})
    // The predecessor may have died while this process was loading.
    if (!process.connected) this.#gone.resolve()
    this.#tell({ kind: 'hello', protocol: upgradeProtocol, version })
  }

  /** Resolves when the predecessor has ended. */
  get gone(): Promise<void> {
    return this.#gone.promise
  }

  /** Resolves when this process may end: if it serves, once the predecessor has ended too. */
  async released(): Promise<void> {
    if (this.#listener !== undefined) await this.#gone.promise
  }

  get state(): Promise<HandoverState> {
    return this.#state.promise
  }

  /** Rejects when the predecessor has ended before it sent `go`: a service that has died cannot be taken over. */
  async orphaned(): Promise<never> {
    await this.#gone.promise
    if (this.#mayServe) return new Promise<never>(() => {})
    throw new HelloserverError('BOOT_FAILED', 'The primary to take over from has died')
  }

  /** Reports that the workers are ready, and resolves with the lock and the listening sockets, if there are any. */
  async equipment(): Promise<{
    lock: ListeningHandle | undefined
    listeners: readonly BoundListener[]
  }> {
    this.#tell({ kind: 'prepared' })
    const lock = await this.#lock.promise
    await this.#hasListeners.promise
    return { lock, listeners: this.#listeners }
  }

  /** Reports that this process holds everything, and resolves with the lease when it is told to serve. */
  async go(): Promise<Hold | null> {
    this.#tell({ kind: 'holding' })
    return this.#go.promise
  }

  /** Whether a supervisor was restarting its bridge when this process was told to serve. */
  get isBridgeExpected(): boolean {
    return this.#isBridgeExpected
  }

  /** Reports that this process is the service now. */
  announceServing(listener: PredecessorListener): void {
    this.#listener = listener
    this.#tell({ kind: 'serving' })
    // The predecessor may have died at this very moment.
    if (!process.connected) listener.onGone()
  }

  /** Reports why this process cannot take over; resolves when the report is sent. */
  announceFailure(message: string, code: ErrorCode | undefined): Promise<void> {
    return new Promise((resolve) => this.#tell({ kind: 'failed', message, code }, resolve))
  }

  /**
   * Tells the predecessor that the service ends, and how long its active connections may take, in
   * milliseconds. If it hangs, it is killed, since it may still have the listening socket and the lock open.
   */
  end(withinMs: number): void {
    // Until this process serves, its end concerns no other process.
    if (this.#listener === undefined || !process.connected) return
    this.#tell({ kind: 'end', withinMs })
    clearTimeout(this.#overdue)
    this.#overdue = setTimeout(() => this.#kill(), withinMs + overdueMs)
  }

  /** While the predecessor lives, it is this process's parent, so no other process can have its number. */
  #kill(): void {
    if (process.connected && process.ppid === this.#pid) process.kill(this.#pid, 'SIGKILL')
  }

  #receive(message: ToSuccessor, handle: unknown): void {
    switch (message.kind) {
      case 'begin':
        this.#state.resolve(message)
        return
      case 'lock':
        this.#lock.resolve(handle as ListeningHandle | undefined)
        return
      case 'listener': {
        const { kind: _, following = 0, ...endpoint } = message
        this.#listeners.push({ handle: handle as ListeningHandle, ...endpoint })
        if (following === 0) this.#hasListeners.resolve()
        return
      }
      case 'no-listener':
        this.#hasListeners.resolve()
        return
      case 'go':
        this.#mayServe = true
        this.#isBridgeExpected = message.isBridgeExpected === true
        this.#go.resolve(message.hold)
        return
      case 'connection':
        this.#receiveClient(message, handle as SocketHandle | undefined)
        return
      case 'tally':
        this.#listener?.onTally(message)
        return
    }
  }

  #receiveClient(passed: PassedConnection, handle: SocketHandle | undefined): void {
    const { id } = passed
    if (handle === undefined) {
      this.#tell({ kind: 'missing', id })
      return
    }
    this.#listener?.onConnection(handle, passed)
    this.#tell({ kind: 'adopted', id })
  }

  #tell(message: FromSuccessor, onSent: () => void = () => {}): void {
    if (process.connected) process.send?.(message, undefined, {}, onSent)
    else onSent()
  }
}
