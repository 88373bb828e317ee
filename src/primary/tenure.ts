import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config/load.ts'
import { deferred } from '../deferred.ts'
import { type HelloserverError, messageOf, stopping } from '../errors.ts'
import type { Grant, Lease, LeaseListener, OpenLease } from '../lease/lease.ts'
import { whoHas } from '../lease/who-has.ts'
import type { Machine } from '../lifecycle/machine.ts'
import type { PrimaryEvent, PrimaryState } from '../lifecycle/primary-states.ts'
import type { Events } from '../telemetry/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Offer, OfferedListener } from '../upgrade/predecessor.ts'
import type { Estate } from '../upgrade/successor.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Listeners } from './listeners.ts'
import type { PidLock } from '../lock/pid-lock.ts'
import type { WorkerPool } from './worker-pool.ts'

/** A host that has the lease and cannot listen leaves it to others for so long, in milliseconds. */
const retryBindMs = 5_000
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
  readonly log: Logger
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
  #offered: OfferedListener | undefined
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
   * has to stand by.
   *
   * @throws HelloserverError `ADDRESS_TAKEN`, `BAD_CONFIG` or `BOOT_FAILED` when it had leave and cannot listen
   */
  async begin(offer: Offer | undefined): Promise<void> {
    this.#offered = offer?.listener
    if (offer?.hold) await this.lease.resume(offer.hold)
    else this.lease.seek()
    await this.#begun.promise
    this.#hasBegun = true
  }

  /** This process was paused, and goes on: whether it may still serve comes before anything else. */
  check(): void {
    this.lease.check()
  }

  /** What makes a process the service, at the moment at which another is to be. */
  estate(lock: PidLock): Estate {
    const { machine, listeners } = this.#options
    // While it changes hands nobody asks for it.
    if (machine.state === 'standby') this.passOn()
    return { lock: lock.abstractHandle, place: listeners.estate, hold: () => this.lease.hold }
  }

  /** Another process of this host goes on with the lease. */
  passOn(): void {
    this.lease.rest()
  }

  /** It did not: this one does. */
  takeBack(): void {
    if (this.#options.machine.state === 'standby') this.lease.seek()
  }

  /** The service ends: nothing is begun any more. */
  end(): void {
    this.#hasEnded = true
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
    const { machine, dispatcher, listeners, log, onServing } = this.#options
    const isCurrent = () => machine.state === 'binding' && this.#holds(grant)
    try {
      await this.#listen()
      // It was lost, or the service was told to stop, while a name was looked up.
      if (!isCurrent()) {
        listeners.close()
        return
      }
      machine.apply('bound')
      onServing()
      dispatcher.resume()
      this.#begun.resolve()
    } catch (error) {
      if (!isCurrent()) return
      if (!this.#hasBegun) {
        this.#begun.reject(error as Error)
        return
      }
      log.error({ reason: messageOf(error) }, 'Cannot serve; leaving the lease to other hosts')
      machine.apply('stand-down', messageOf(error))
      await this.lease.release()
      await delay(retryBindMs, undefined, { ref: false })
      if (!this.#hasEnded) this.takeBack()
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
