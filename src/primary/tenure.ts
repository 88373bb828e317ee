import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config/load.ts'
import { deferred } from '../deferred.ts'
import { codeOf, type HelloserverError, messageOf, stopping } from '../errors.ts'
import type { Grant, Lease, LeaseListener, OpenLease } from '../lease/lease.ts'
import { whoHas } from '../lease/who-has.ts'
import type { Machine } from '../lifecycle/machine.ts'
import type { PrimaryEvent, PrimaryState } from '../lifecycle/primary-states.ts'
import { Attempts, type Pace } from '../network/attempts.ts'
import { assertPresent } from '../network/presence.ts'
import { resolveHost } from '../network/resolve.ts'
import type { Waiting } from '../status.ts'
import type { Events } from '../telemetry/events.ts'
import type { BoundListener } from '../ipc/socket-handle.ts'
import type { Offer } from '../upgrade/predecessor.ts'
import type { Estate } from '../upgrade/successor.ts'
import type { Dispatcher } from './dispatcher.ts'
import { listenFailure } from './listener.ts'
import type { Listeners } from './listeners.ts'
import type { PidLock } from '../lock/pid-lock.ts'
import type { WorkerPool } from './worker-pool.ts'

/** How often it is looked for an address that this host does not have yet: nobody sees anything of that. */
const lookPace: Pace = { baseMs: 100, capMs: 2_000 }
/** How soon it is tried again to listen where that failed otherwise: until then the lease is left to other hosts. */
const bindPace: Pace = { baseMs: 5_000, capMs: 5_000 }
/** How often it is looked whether the last offer is claimed, and for how long; milliseconds. */
const lookEveryMs = 1
const claimWithinMs = 100

/** Waiting does not help against these: at the start, somebody is there to be told. */
const refusals = new Set<string>(['LEASE_REFUSED', 'REDIS_REFUSED'])

export interface TenureOptions {
  readonly openLease: OpenLease
  readonly machine: Machine<PrimaryState, PrimaryEvent>
  readonly listeners: Listeners
  readonly dispatcher: Dispatcher
  readonly pool: WorkerPool
  /** The configuration that runs. */
  readonly config: () => Config
  /** A listening socket that this process was given, in place of the configured host and port. */
  readonly inheritedFd: number | undefined
  readonly events: Events
  /** Told when this host begins to serve, each time. */
  readonly onServing: () => void
}

/**
 * When this host may serve, and what that changes: with the lease it listens and hands out; without it, it does not
 * listen, so that a load balancer or a client goes on to the next host. The workers stay, and finish what they have.
 */
export class Tenure {
  readonly lease: Lease
  readonly #options: TenureOptions
  /** How the start went: the host serves, or stands by. */
  readonly #begun = deferred<void>()
  #hasBegun = false
  /** A socket that a predecessor has passed on, until it is used. */
  #offered: BoundListener | undefined
  /** A predecessor listens: what cannot listen in its place must not take it. */
  #succeedsListener = false
  /** What keeps this host from listening where it may. */
  #waiting: Waiting | null = null
  readonly #attempts = new Attempts()
  /** Another process of this host has the lease to seek, until it takes it back. */
  #isResting = false
  #hasEnded = false

  constructor(options: TenureOptions) {
    this.#options = options
    const listener: LeaseListener = {
      onHeld: (grant) => this.#serve(grant),
      onContended: (hosts) => this.#standBy(whoHas('the lease', hosts)),
      onTrouble: (failure) => this.#endure(failure),
      onExtended: (deadlineMs) => this.#extend(deadlineMs),
      onLost: (cause) => this.#standDown(cause),
    }
    this.lease = options.openLease(listener)
    this.#begun.promise.catch(() => {})
  }

  /**
   * Asks for leave to serve, or goes on with what a predecessor had. Resolves when this host serves, or knows that it
   * has to stand by: for another host, or for an address that it does not have yet.
   *
   * @throws HelloserverError `ADDRESS_TAKEN`, `BAD_CONFIG` or `BOOT_FAILED` when it had leave and cannot listen;
   * `ADDRESS_ABSENT` only when a predecessor could
   */
  async begin(offer: Offer | undefined): Promise<void> {
    this.#offered = offer?.listener
    this.#succeedsListener = this.#offered !== undefined
    if (offer?.hold) await this.lease.resume(offer.hold)
    else this.lease.seek()
    await this.#begun.promise
    this.#hasBegun = true
  }

  /** This process was paused, and goes on: whether it may still serve comes before anything else. */
  check(): void {
    this.lease.check()
  }

  /** Why this host does not listen although it may; null when it does, or may not. */
  get waiting(): Waiting | null {
    return this.#waiting
  }

  /** What is waited for may have changed: tries at once. */
  lookAgain(): void {
    if (this.#waiting !== null) this.#attempts.hurry()
  }

  /** What makes a process the service, at the moment at which another is to be. */
  estate(lock: PidLock): Estate {
    const { machine, listeners } = this.#options
    // While it changes hands nobody asks for it.
    if (machine.state === 'standby') this.passOn()
    return { lock: lock.abstractHandle, listener: listeners.bound, hold: () => this.lease.hold }
  }

  /** Another process of this host goes on with the lease. */
  passOn(): void {
    this.#isResting = true
    this.#attempts.stop()
    this.lease.rest()
  }

  /** It did not: this one does. */
  takeBack(): void {
    this.#isResting = false
    if (this.#options.machine.state !== 'standby') return
    if (this.#waiting === null) this.lease.seek()
    else this.#tryAgain(lookPace)
  }

  /** The service ends: nothing is begun any more. */
  end(): void {
    this.#hasEnded = true
    this.#attempts.stop()
    this.#begun.reject(stopping())
  }

  /**
   * Nothing is handed out any more: another host may serve while this one finishes what it has in hand. Good to call
   * twice; resolves when Redis knows.
   */
  async release(): Promise<void> {
    const { pool, config } = this.#options
    const { grant } = this.lease
    // What is in hand is finished now, not lost.
    if (grant !== null && config().lease.onLoss === 'abort')
      pool.tellLease({ grant, abortAtMs: null })
    if (grant !== null) await this.#claimed()
    await this.lease.release()
  }

  /** A worker that dies before its claim gives the connection back, for another worker of this host. */
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
      // It was lost, or the service was told to stop, while a name was looked up.
      if (!isCurrent()) {
        listeners.close()
        return
      }
      this.#waiting = null
      this.#attempts.settle()
      machine.apply('bound')
      onServing()
      dispatcher.resume()
      this.#begun.resolve()
    } catch (error) {
      if (!isCurrent()) return
      const isAbsent = codeOf(error) === 'ADDRESS_ABSENT'
      // At the start, somebody is there to be told what waiting does not help against.
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
      () => this.lease.seek(),
    )
  }

  /** Without the lease nobody is to connect, so that the address is only looked for. */
  async #isPresent(signal: AbortSignal): Promise<boolean> {
    const { host, port } = this.#options.config()
    let address: string | undefined
    try {
      address = await resolveHost(host, signal)
      await assertPresent(address)
      return true
    } catch (error) {
      const failure = listenFailure(error, { host, port }, address)
      // What else there is against it, listening will say.
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
    const { host, port } = config()
    const offered = this.#offered
    this.#offered = undefined
    if (inheritedFd !== undefined) await listeners.adoptFd(inheritedFd, config())
    else if (offered?.host === host && [offered.port, offered.boundPort].includes(port)) {
      await listeners.adopt(offered.handle, config())
    } else {
      // The configuration of a successor may have another address by now.
      await listeners.listen(config())
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

  /** Redis may be back in a moment; settings that the fleet does not have are for a person to change. */
  #endure(failure: HelloserverError): void {
    const { machine, events } = this.#options
    const { message: reason } = failure
    if (machine.state === 'serving') events.record('lease-in-danger', { reason })
    else if (refusals.has(failure.code) && !this.#hasBegun) this.#begun.reject(failure)
    else this.#standBy(reason)
  }

  /** Who was accepted while it was in doubt has a turn now. */
  #extend(deadlineMs: number): void {
    const { pool, dispatcher, config } = this.#options
    const { grant } = this.lease
    if (grant !== null && config().lease.onLoss === 'abort') {
      pool.tellLease({ grant, abortAtMs: deadlineMs })
    }
    dispatcher.resume()
  }

  #standDown(cause: string): void {
    const { machine, listeners, dispatcher, pool, config, events } = this.#options
    // Nobody may be handed out, so nobody is to wait here.
    listeners.close()
    const shed = dispatcher.abandon('shed')
    events.record('lease-lost', { reason: cause, shed })
    if (config().lease.onLoss === 'abort') {
      pool.tellLease({ grant: null, abortAtMs: 0 })
    }
    if (!machine.accepts('stand-down')) return
    machine.apply('stand-down', cause)
    this.lease.seek()
  }
}
