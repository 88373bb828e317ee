import { setTimeout as delay } from 'node:timers/promises'
import { listenEndpoint } from '../config/listen.ts'
import type { Config } from '../config/load.ts'
import { deferred } from '../async/deferred.ts'
import { isBoundAt } from '../endpoint.ts'
import { codeOf, type HelloserverError, messageOf, stopping } from '../errors.ts'
import type { Grant, Lease, LeaseListener, OpenLease } from '../lease/lease.ts'
import { describeHolders } from '../lease/holders.ts'
import type { Machine } from '../lifecycle/machine.ts'
import type { PrimaryEvent, PrimaryState } from '../lifecycle/primary-states.ts'
import { Attempts, type Pace } from '../network/attempts.ts'
import { assertPresent } from '../network/presence.ts'
import { resolveHost } from '../network/resolve.ts'
import type { Waiting } from '../status.ts'
import { StoreError } from '../store-error.ts'
import type { Events } from '../telemetry/events.ts'
import type { BoundListener } from '../ipc/socket-handle.ts'
import type { Offer } from '../upgrade/predecessor.ts'
import type { Estate } from '../upgrade/successor.ts'
import type { Dispatcher } from '../connections/dispatcher.ts'
import { listenFailure } from '../connections/listener.ts'
import type { Listeners } from '../connections/listeners.ts'
import type { PidLock } from '../lock/pid-lock.ts'
import type { WorkerPool } from '../pool/pool.ts'

/** How often to look for an address that this host does not have yet; nobody else notices. */
const lookPace: Pace = { baseMs: 100, capMs: 2_000 }
/** How soon to listen again after any other failure: until then the lease is left to other hosts. */
const bindPace: Pace = { baseMs: 5_000, capMs: 5_000 }
/** How often to check whether the last offer is claimed, and for how long; milliseconds. */
const lookEveryMs = 1
const claimWithinMs = 100

/** Failures that waiting does not cure: at the start, somebody is there to be told. */
function isRefusal(failure: HelloserverError): boolean {
  return failure instanceof StoreError ? failure.isPermanent : failure.code === 'LEASE_REFUSED'
}

export interface TenureOptions {
  readonly openLease: OpenLease
  readonly machine: Machine<PrimaryState, PrimaryEvent>
  readonly listeners: Listeners
  readonly dispatcher: Dispatcher
  readonly pool: WorkerPool
  /** The current configuration. */
  readonly config: () => Config
  /** A listening socket that this process was given, in place of the configured host and port. */
  readonly inheritedFd: number | undefined
  readonly events: Events
  /** Called each time this host begins to serve. */
  readonly onServing: () => void
}

/**
 * Decides when this host serves: with the lease, it listens and hands out connections; without it, it does not
 * listen, so that a load balancer or a client goes on to the next host. The workers stay, and finish their
 * active connections.
 */
export class Leadership {
  readonly lease: Lease
  readonly #options: TenureOptions
  /** Settles when the start is decided: the host serves, or stands by. */
  readonly #begun = deferred<void>()
  #hasBegun = false
  /** A socket that a predecessor has passed on, until it is used. */
  #offered: BoundListener | undefined
  /** A predecessor listens: a process that cannot listen in its place must not take over. */
  #succeedsListener = false
  /** The reason why this host does not listen although it may. */
  #waiting: Waiting | null = null
  readonly #attempts = new Attempts()
  /** Another process of this host seeks the lease, until this one takes it back. */
  #isResting = false
  #hasEnded = false

  constructor(options: TenureOptions) {
    this.#options = options
    const listener: LeaseListener = {
      onHeld: (grant) => this.#serve(grant),
      onContended: (hosts) => this.#standBy(describeHolders(hosts, 'the lease')),
      onFailure: (failure) => this.#endure(failure),
      onExtended: (deadlineMs) => this.#extend(deadlineMs),
      onLost: (cause) => this.#standDown(cause),
    }
    this.lease = options.openLease(listener)
    this.#begun.promise.catch(() => {})
  }

  /**
   * Seeks the lease, or continues the one that a predecessor had. Resolves when this host serves, or knows
   * that it must stand by: for another host, or for an address that it does not have yet.
   *
   * @throws HelloserverError `ADDRESS_TAKEN`, `BAD_CONFIG` or `BOOT_FAILED` when it had the lease and cannot listen;
   * `ADDRESS_ABSENT` only when a predecessor could
   */
  async begin(offer: Offer | undefined): Promise<void> {
    this.#offered = offer?.listener
    this.#succeedsListener = this.#offered !== undefined
    if (offer?.hold) await this.lease.resume(offer.hold)
    else this.lease.acquire()
    await this.#begun.promise
    this.#hasBegun = true
  }

  /** This process was paused and continues: whether it may still serve comes before anything else. */
  check(): void {
    this.lease.check()
  }

  /** Why this host does not listen although it may; null when it listens, or may not. */
  get waiting(): Waiting | null {
    return this.#waiting
  }

  /** The reason for waiting may be gone: tries again at once. */
  lookAgain(): void {
    if (this.#waiting !== null) this.#attempts.retryNow()
  }

  /** Everything that makes a process the service, at the moment at which another one is to become it. */
  estate(lock: PidLock): Estate {
    const { machine, listeners } = this.#options
    // During the hand-over, nobody seeks the lease.
    if (machine.state === 'standby') this.passOn()
    return { lock: lock.abstractHandle, listener: listeners.bound, hold: () => this.lease.hold }
  }

  /** Another process of this host continues the lease. */
  passOn(): void {
    this.#isResting = true
    this.#attempts.stop()
    this.lease.stop()
  }

  /** The other process has failed to continue it, so this one does. */
  takeBack(): void {
    this.#isResting = false
    if (this.#options.machine.state !== 'standby') return
    if (this.#waiting === null) this.lease.acquire()
    else this.#tryAgain(lookPace)
  }

  /** The service ends: nothing new is begun. */
  end(): void {
    this.#hasEnded = true
    this.#attempts.stop()
    this.#begun.reject(stopping())
  }

  /**
   * No more connections are handed out, so another host may serve while this one finishes its active ones. May
   * be called twice; resolves when Redis knows.
   */
  async release(): Promise<void> {
    const { pool, config } = this.#options
    const { grant } = this.lease
    // Connections in hand are finished now, not lost.
    if (grant !== null && config().lease.onLoss === 'abort')
      pool.tellLease({ grant, abortAtMs: null })
    if (grant !== null) await this.#claimed()
    await this.lease.release()
  }

  /** A worker that dies before its claim returns the connection, for another worker of this host. */
  async #claimed(): Promise<void> {
    const untilMs = performance.now() + claimWithinMs
    while (this.#options.pool.hasUnclaimed && performance.now() < untilMs) await delay(lookEveryMs)
  }

  #serve(grant: Grant): void {
    const { machine, pool, events } = this.#options
    if (!machine.accepts('lease-held')) {
      void this.lease.release()
      return
    }
    const isShared = this.lease.status !== null
    machine.apply('lease-held', isShared ? `token ${grant.token}` : 'this host has the local lock')
    if (isShared) {
      const { token, slot } = grant
      events.record('lease-won', { token, slot })
      pool.tellLease({ grant: { token, slot }, abortAtMs: null })
    }
    void this.#bind(grant)
  }

  async #bind(grant: Grant): Promise<void> {
    const { machine, dispatcher, listeners, onServing } = this.#options
    const isCurrent = () => machine.state === 'binding' && this.#holds(grant)
    try {
      await this.#listen()
      // The lease was lost, or the service was told to stop, while a name was looked up.
      if (!isCurrent()) {
        listeners.close()
        return
      }
      this.#waiting = null
      this.#attempts.succeed()
      machine.apply('bound')
      onServing()
      dispatcher.pump()
      this.#begun.resolve()
    } catch (error) {
      if (!isCurrent()) return
      const isAbsent = codeOf(error) === 'ADDRESS_ABSENT'
      // At the start, somebody is there to be told of a failure that waiting does not cure.
      const mayWait = this.#hasBegun || (isAbsent && !this.#succeedsListener)
      if (mayWait) await this.#stepBack(messageOf(error), isAbsent ? lookPace : bindPace)
      else this.#begun.reject(error as Error)
    }
  }

  /** This host cannot listen: it leaves the lease to others, and tries again. */
  async #stepBack(reason: string, pace: Pace): Promise<void> {
    this.#wait(reason)
    this.#options.machine.apply('stand-down', reason)
    this.#begun.resolve()
    await this.lease.release()
    if (!this.#hasEnded && !this.#isResting) this.#tryAgain(pace)
  }

  #wait(reason: string): void {
    if (this.#waiting?.reason === reason) return
    this.#waiting = { reason, since: new Date().toISOString() }
    this.#options.events.record('cannot-listen', { reason })
  }

  #tryAgain(pace: Pace): void {
    this.#attempts.start(
      pace,
      (signal) => this.#isPresent(signal),
      () => this.lease.acquire(),
    )
  }

  /** Without the lease no client may connect, so this only looks for the address. */
  async #isPresent(signal: AbortSignal): Promise<boolean> {
    const endpoint = listenEndpoint(this.#options.config())
    let address: string | undefined
    try {
      address = await resolveHost(endpoint.host, signal)
      await assertPresent(address)
      return true
    } catch (error) {
      const failure = listenFailure(error, endpoint, address)
      // Any other obstacle shows when the host listens.
      if (failure.code !== 'ADDRESS_ABSENT') return true
      if (!signal.aborted) this.#wait(failure.message)
      return false
    }
  }

  #holds(grant: Grant): boolean {
    return this.lease.status === null || this.lease.grant?.token === grant.token
  }

  async #listen(): Promise<void> {
    const { listeners, inheritedFd, config } = this.#options
    const endpoint = listenEndpoint(config())
    const offered = this.#offered
    this.#offered = undefined
    if (inheritedFd !== undefined) await listeners.adoptFd(inheritedFd, endpoint)
    else if (offered !== undefined && isBoundAt(offered, endpoint)) {
      await listeners.adopt(offered.handle, endpoint)
    } else {
      // The configuration of a successor may name another address.
      await listeners.listen(endpoint)
      offered?.handle.close()
    }
  }

  #standBy(reason: string): void {
    this.#waiting = null
    // Clients that connect to a socket from which nobody accepts would wait in vain.
    this.#offered?.handle.close()
    this.#offered = undefined
    this.#options.events.record('standby', { reason })
    this.#begun.resolve()
  }

  /** Redis may be back in a moment; settings that differ from the fleet's need a person to change them. */
  #endure(failure: HelloserverError): void {
    const { machine, events } = this.#options
    const { message: reason } = failure
    if (machine.state === 'serving') events.record('lease-in-danger', { reason })
    else if (isRefusal(failure) && !this.#hasBegun) this.#begun.reject(failure)
    else this.#standBy(reason)
  }

  /** Connections that were accepted while the lease was in doubt have their turn now. */
  #extend(deadlineMs: number): void {
    const { pool, dispatcher, config } = this.#options
    const { grant } = this.lease
    if (grant !== null && config().lease.onLoss === 'abort') {
      pool.tellLease({ grant, abortAtMs: deadlineMs })
    }
    dispatcher.pump()
  }

  #standDown(cause: string): void {
    const { machine, listeners, dispatcher, pool, config, events } = this.#options
    // No connection may be handed out, so none may wait here.
    listeners.close()
    const shed = dispatcher.abandon('shed')
    events.record('lease-lost', { reason: cause, shed })
    if (config().lease.onLoss === 'abort') {
      pool.tellLease({ grant: null, abortAtMs: 0 })
    }
    if (!machine.accepts('stand-down')) return
    machine.apply('stand-down', cause)
    this.lease.acquire()
  }
}
