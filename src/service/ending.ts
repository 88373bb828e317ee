import { deferred } from '../async/deferred.ts'
import type { Config } from '../config/load.ts'
import { handedOver } from '../errors.ts'
import { type DrainEvent, primaryEvents } from '../lifecycle/drain-phases.ts'
import type { DrainStatus } from '../status.ts'
import { Drain, type StopResult } from './drain.ts'
import type { Service } from './service.ts'

/** The end of a service, which comes once: the requests for it, its drain, and the release of everything. */
export class Ending {
  readonly #service: Service
  readonly #drain: Drain
  readonly #ended = deferred<void>()
  #ending: Promise<StopResult> | undefined
  #leaseReleased: Promise<void> | undefined

  constructor(service: Service) {
    this.#service = service
    const { connections, pool, config, log } = service
    this.#drain = new Drain(connections, pool, config, log, (event, cause) =>
      this.#onDrain(event, cause),
    )
  }

  apply(config: Config): void {
    this.#drain.apply(config)
  }

  /** The state of the drain; null until the end is requested. */
  get status(): DrainStatus | null {
    return this.#drain.status
  }

  /** Whether the end was requested. */
  get isUnderWay(): boolean {
    return this.#ending !== undefined
  }

  /** Resolves when everything is released. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /** How long a drain may take, in milliseconds. */
  get longestDrainMs(): number {
    const { announceMs, timeoutMs } = this.#service.config.drain
    return announceMs + timeoutMs
  }

  /**
   * Serves queued and active connections, then ends, once the fleet permits it.
   *
   * @param force - does not wait for the other hosts
   * @throws HelloserverError `HANDED_OVER` when another process is the service and must be asked instead
   */
  async stop(cause: string, force: boolean): Promise<StopResult> {
    const successorPid = await this.mayStop(cause, force)
    if (successorPid !== undefined) throw handedOver(successorPid)
    return this.drain(cause)
  }

  /**
   * Resolves when this host may stop; with the PID of the process to ask instead, if another one has become the
   * service in the meantime.
   */
  async mayStop(cause: string, force: boolean): Promise<number | undefined> {
    const { fleet, upgrades } = this.#service
    await upgrades.decided
    if (upgrades.successorPid !== undefined) return upgrades.successorPid
    await fleet.mayStop(cause, force)
    await upgrades.decided
    return upgrades.successorPid
  }

  /** Serves queued and active connections, then ends. The first cause wins. */
  drain(cause: string): Promise<StopResult> {
    this.#service.predecessor?.end(this.longestDrainMs)
    return this.#endOnce(cause)
  }

  /** Moves a drain that is under way to its next phase. */
  escalate(cause: string): void {
    this.#drain.escalate(cause)
  }

  /** Drops every connection and ends; cuts a drain short. */
  terminate(cause: string): Promise<StopResult> {
    this.#service.fleet.escalate('stopping', cause)
    void this.cut(cause)
    return this.#endOnce(cause)
  }

  /** A connection has ended. */
  onClosed(): void {
    this.#drain.advance()
  }

  /** Another process has been the service: limits how long active connections here may still take, in milliseconds. */
  within(withinMs: number): void {
    setTimeout(() => void this.terminate('the service ends'), withinMs).unref()
    this.#service.predecessor?.end(withinMs)
  }

  /** Another process is the service: this one ends when its active connections have `finished`. */
  after(finished: Promise<void>): void {
    this.#ending ??= this.#releaseAll(this.#finishHandover(finished))
  }

  /** Drops every connection and ends the workers; the process goes on. */
  async cut(cause: string): Promise<StopResult> {
    return this.#withLease(this.#drain.cut(cause))
  }

  async #finishHandover(finished: Promise<void>): Promise<StopResult> {
    const service = this.#service
    await finished
    service.leadership.lease.close()
    service.connections.unwatch()
    if (this.#drain.status !== null) return this.cut('it is ending already')
    service.lifecycle.move('drained', 'all connections have ended')
    return { dropped: 0 }
  }

  #endOnce(cause: string): Promise<StopResult> {
    this.#ending ??= this.#releaseAll(this.#drainOrCut(cause))
    return this.#ending
  }

  #drainOrCut(cause: string): Promise<StopResult> {
    const { state, connections } = this.#service
    const isStarting = state === 'starting' || state === 'binding'
    if (isStarting && connections.accounts.open === 0) return this.cut(cause)
    return this.#withLease(this.#drain.begin(cause))
  }

  /** The other hosts can have the lease before this process is gone. */
  async #withLease(drained: Promise<StopResult>): Promise<StopResult> {
    const { upgrades, leadership } = this.#service
    const result = await drained
    await upgrades.cancelled()
    await this.#leaseReleased
    leadership.lease.close()
    return result
  }

  async #releaseAll(drained: Promise<StopResult>): Promise<StopResult> {
    const { predecessor, fleet, publicFiles, stack, continuity } = this.#service
    const result = await drained
    await predecessor?.released()
    await fleet.leave()
    await publicFiles.close()
    continuity.end()
    stack.releaseAll()
    this.#ended.resolve()
    return result
  }

  /** The drain has moved on by itself, or because it was told to. */
  #onDrain(event: DrainEvent, cause: string): void {
    const service = this.#service
    const { connections, pool, leadership, recycler, upgrades, predecessor } = service
    if (event === 'workers-gone') connections.unwatch()
    const phase = this.#drain.status?.phase
    leadership.end()
    // No more connections are handed out; another host need not wait for the active ones.
    if (phase === 'waiting-for-workers' || phase === 'cutting')
      this.#leaseReleased ??= leadership.release()
    // Any change of the workers that is under way is given up.
    recycler.stop()
    pool.freeze()
    upgrades.cancel()
    if (phase === 'cutting') predecessor?.end(0)
    const move = primaryEvents[event]
    const isFirst = service.state !== 'draining'
    if (move !== undefined && service.lifecycle.move(move, cause) && isFirst)
      service.announcements.draining(cause)
  }
}
