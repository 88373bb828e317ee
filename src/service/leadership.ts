import { setTimeout as delay } from 'node:timers/promises'
import { deferred } from '../async/deferred.ts'
import type { ListenSettings } from '../config/listen.ts'
import type { Config } from '../config/load.ts'
import type { Connections } from '../connections/connections.ts'
import { listenFailure } from '../connections/listener.ts'
import { discard, type GivenSocket } from '../connections/listeners.ts'
import { codeOf, type HelloserverError, messageOf, stopping } from '../errors.ts'
import { describeHolders } from '../lease/holders.ts'
import type { Grant, Hold, Lease, LeaseListener, OpenLease } from '../lease/lease.ts'
import type { PrimaryState } from '../lifecycle/primary-states.ts'
import { Attempts, type Pace } from '../network/attempts.ts'
import { assertFolder, assertPresent } from '../network/presence.ts'
import { resolveHost } from '../network/resolve.ts'
import type { WorkerPool } from '../pool/pool.ts'
import type { Waiting } from '../status.ts'
import { StoreError } from '../store-error.ts'
import type { Events } from '../telemetry/events.ts'
import type { Offer } from '../upgrade/predecessor.ts'

/** How often to look for an address that this host does not have yet; no other host or client notices. */
const lookPace: Pace = { baseMs: 100, capMs: 2_000 }
/** How soon to listen again after any other failure: until then the lease is left to other hosts. */
const bindPace: Pace = { baseMs: 5_000, capMs: 5_000 }
/** How often to check whether the last offer is claimed, and for how long; milliseconds. */
const lookEveryMs = 1
const claimWithinMs = 100

/** Whether waiting does not cure a failure: then it fails a start. */
function isRefusal(failure: HelloserverError): boolean {
  return failure instanceof StoreError ? failure.isPermanent : failure.code === 'LEASE_REFUSED'
}

/** The service, which owns its state, and moves it when the lease or the address changes. */
export interface LeadershipListener {
  readonly state: PrimaryState
  /** The lease is granted. Returns whether the service binds its address now; if it ends, it has no use for the lease. */
  onGranted(cause: string): boolean
  /** The address is bound, so this host serves. */
  onBound(): void
  /** This host must not serve. Returns whether the service stands by; if it ends, it does not. */
  onStandDown(cause: string): boolean
}

/** The service's own parts that its leadership acts on. */
export interface LeadershipOptions {
  readonly openLease: OpenLease
  readonly connections: Pick<Connections, 'listeners' | 'dispatcher' | 'handOff' | 'leave'>
  readonly pool: WorkerPool
  /** Listening sockets that this process was given for endpoints of the configuration. */
  readonly inherited: readonly GivenSocket[]
  readonly config: Config
  readonly events: Events
}

/**
 * Decides when this host serves: with the lease, it listens and hands out connections; without it, it does not
 * listen, so that a load balancer or a client goes on to the next host. The workers stay, and finish their
 * active connections.
 */
export class Leadership implements LeaseListener {
  readonly lease: Lease
  readonly #listener: LeadershipListener
  readonly #connections: LeadershipOptions['connections']
  readonly #pool: WorkerPool
  readonly #inherited: readonly GivenSocket[]
  readonly #events: Events
  #config: Config
  /** Settles when the start is decided: the host serves, or stands by. */
  readonly #begun = deferred<void>()
  #hasBegun = false
  /** Sockets that a predecessor has passed on, until they are used. */
  #offered: readonly GivenSocket[] = []
  /** A predecessor listens: a process that cannot listen in its place must not take over. */
  #succeedsListener = false
  /** The reason why this host does not listen although it may. */
  #waiting: Waiting | null = null
  readonly #attempts = new Attempts()
  /** Another process of this host seeks the lease, until this one takes it back. */
  #hasYielded = false
  #hasEnded = false

  constructor(options: LeadershipOptions, listener: LeadershipListener) {
    this.#listener = listener
    this.#connections = options.connections
    this.#pool = options.pool
    // Passed sockets can be used once; a service manager's stay open.
    this.#inherited = options.inherited.filter(({ kind }) => kind === 'inherited')
    this.#offered = options.inherited.filter(({ kind }) => kind === 'passed')
    this.#events = options.events
    this.#config = options.config
    this.lease = options.openLease(this)
    this.#begun.promise.catch(() => {})
  }

  /** Applies the address to listen on, and what happens when the lease is lost. */
  apply(config: Config): void {
    this.#config = config
  }

  /**
   * Seeks the lease, or continues the one that a predecessor had. Resolves when this host serves, or knows
   * that it must stand by: for another host, or for an address that it does not have yet.
   *
   * @throws HelloserverError `ADDRESS_TAKEN`, `BAD_CONFIG` or `BOOT_FAILED` when it had the lease and cannot listen;
   * `ADDRESS_ABSENT` only when a predecessor could
   */
  async begin(offer: Offer | undefined): Promise<void> {
    if (offer !== undefined) {
      const offered = offer.listeners.map((bound) => ({ kind: 'passed', bound }) as const)
      this.#offered = [...this.#offered, ...offered]
      this.#succeedsListener = offered.length > 0 && offer.isOfDead !== true
    }
    if (offer?.hold) await this.#continue(offer.hold, offer.isOfDead === true)
    else this.lease.acquire()
    await this.#begun.promise
    this.#hasBegun = true
  }

  /** @param isOfDead - whether it may have expired since its holder was killed */
  async #continue(hold: Hold, isOfDead: boolean): Promise<void> {
    try {
      await this.lease.resume(hold)
    } catch (error) {
      if (!isOfDead) throw error
      this.lease.acquire()
    }
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

  /** Another process of this host may continue the lease, or seek it, from now on. */
  yield(): void {
    this.#hasYielded = true
    this.#attempts.stop()
    this.lease.stop()
  }

  /** The other process has failed: this one, which stands by, seeks the lease again. */
  takeBack(): void {
    this.#hasYielded = false
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
    const { grant } = this.lease
    this.#connections.handOff.permit(0)
    // Active connections end normally now, as they do not when the lease is lost.
    if (grant !== null && this.#abortsOnLoss) this.#pool.tellLease({ grant, abortAtMs: null })
    if (grant !== null) await this.#claimed()
    await this.lease.release()
  }

  onHeld(grant: Grant): void {
    const { token, slot } = grant
    const isShared = this.lease.status !== null
    const cause = isShared ? `token ${token}` : 'this host has the local lock'
    if (!this.#listener.onGranted(cause)) {
      void this.lease.release()
      return
    }
    if (isShared) {
      this.#events.record('lease-won', { token, slot })
      this.#pool.tellLease({ grant: { token, slot }, abortAtMs: null })
    }
    // Without other hosts there is no deadline; with them, it moves with each renewal.
    const { hold } = this.lease
    this.#connections.handOff.permit(isShared ? (hold?.deadlineMs ?? 0) : Number.POSITIVE_INFINITY)
    void this.#bind(grant)
  }

  onContended(hosts: readonly string[]): void {
    this.#standBy(describeHolders(hosts, 'the lease'))
  }

  /** Redis may be back in a moment; settings that differ from the fleet's need a person to change them. */
  onFailure(failure: HelloserverError): void {
    const { message: reason } = failure
    if (this.#listener.state === 'serving') this.#events.record('lease-in-danger', { reason })
    else if (isRefusal(failure) && !this.#hasBegun) this.#begun.reject(failure)
    else this.#standBy(reason)
  }

  /** Connections that were accepted while the lease was in doubt have their turn now. */
  onExtended(deadlineMs: number): void {
    const { grant } = this.lease
    if (grant !== null && this.#abortsOnLoss) {
      this.#pool.tellLease({ grant, abortAtMs: deadlineMs })
    }
    this.#connections.handOff.permit(deadlineMs)
    // A next primary keeps the lease until then.
    this.#connections.leave()
    this.#connections.dispatcher.pump()
  }

  onLost(cause: string): void {
    const { listeners, dispatcher, handOff } = this.#connections
    // No connection may be handed out, so none may wait here.
    handOff.permit(0)
    listeners.close()
    const shed = dispatcher.abandon('shed')
    this.#events.record('lease-lost', { reason: cause, shed })
    if (this.#abortsOnLoss) this.#pool.tellLease({ grant: null, abortAtMs: 0 })
    if (this.#listener.onStandDown(cause)) this.lease.acquire()
  }

  /** A worker that dies before its claim returns the connection, for another worker of this host. */
  async #claimed(): Promise<void> {
    const untilMs = performance.now() + claimWithinMs
    while (this.#pool.hasUnclaimed && performance.now() < untilMs) await delay(lookEveryMs)
  }

  async #bind(grant: Grant): Promise<void> {
    const { dispatcher, listeners } = this.#connections
    const isCurrent = () => this.#listener.state === 'binding' && this.#holds(grant)
    try {
      await this.#listen()
      // The lease was lost, or the service was told to stop, while a name was looked up.
      if (!isCurrent()) {
        listeners.close()
        return
      }
      this.#waiting = null
      this.#attempts.succeed()
      this.#listener.onBound()
      dispatcher.pump()
      this.#begun.resolve()
    } catch (error) {
      if (!isCurrent()) return
      const isAbsent = codeOf(error) === 'ADDRESS_ABSENT'
      // A start fails at once if waiting does not cure the failure: its caller is there to be told.
      const mayWait = this.#hasBegun || (isAbsent && !this.#succeedsListener)
      if (mayWait) await this.#stepBack(messageOf(error), isAbsent ? lookPace : bindPace)
      else this.#begun.reject(error as Error)
    }
  }

  /** This host cannot listen: it leaves the lease to others, and tries again. */
  async #stepBack(reason: string, pace: Pace): Promise<void> {
    this.#wait(reason)
    this.#listener.onStandDown(reason)
    this.#begun.resolve()
    await this.lease.release()
    if (!this.#hasEnded && !this.#hasYielded) this.#tryAgain(pace)
  }

  #wait(reason: string): void {
    if (this.#waiting?.reason === reason) return
    this.#waiting = { reason, since: new Date().toISOString() }
    this.#events.record('cannot-listen', { reason })
  }

  #tryAgain(pace: Pace): void {
    this.#attempts.start(
      pace,
      (signal) => this.#isPresent(signal),
      () => this.lease.acquire(),
    )
  }

  /** Without the lease no client may connect, so this only looks for the addresses. */
  async #isPresent(signal: AbortSignal): Promise<boolean> {
    for (const settings of this.#config.listen) {
      const absence = await absenceOf(settings, signal)
      if (absence === undefined) continue
      if (!signal.aborted) this.#wait(absence)
      return false
    }
    return true
  }

  #holds(grant: Grant): boolean {
    return this.lease.status === null || this.lease.grant?.token === grant.token
  }

  async #listen(): Promise<void> {
    const given = [...this.#inherited, ...this.#offered]
    this.#offered = []
    await this.#connections.listeners.listen(this.#config.listen, given)
  }

  #standBy(reason: string): void {
    this.#waiting = null
    // Clients that connect to a socket which does not accept would wait in vain.
    for (const socket of this.#offered) discard(socket)
    this.#offered = []
    this.#events.record('standby', { reason })
    this.#begun.resolve()
  }

  get #abortsOnLoss(): boolean {
    return this.#config.lease.onLoss === 'abort'
  }
}

/** Why this host does not have the address of an endpoint yet; undefined when it has, or anything else is wrong. */
async function absenceOf(
  { endpoint }: ListenSettings,
  signal: AbortSignal,
): Promise<string | undefined> {
  let address: string | undefined
  try {
    if (endpoint.path !== undefined) {
      assertFolder(endpoint)
      return undefined
    }
    address = await resolveHost(endpoint.host, signal)
    await assertPresent(address)
    return undefined
  } catch (error) {
    const { code, message } = listenFailure(error, endpoint, address)
    // Any other obstacle shows when the host listens.
    return code === 'ADDRESS_ABSENT' ? message : undefined
  }
}
