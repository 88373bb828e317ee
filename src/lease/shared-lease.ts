import { InterruptibleSleep } from '../async/interruptible-sleep.ts'
import { monotonicMs } from '../clock.ts'
import { HelloserverError, messageOf } from '../errors.ts'
import { type LeaseEvent, type LeaseState, leaseTransitions } from '../lifecycle/lease-states.ts'
import { Machine } from '../lifecycle/machine.ts'
import { pollPauseMs } from '../poll-pause.ts'
import type { Logger } from '../telemetry/logger.ts'
import { describeHolders } from './holders.ts'
import type { Grant, Hold, Lease, LeaseListener, LeaseStatus } from './lease.ts'
import type { LeaseStore } from './lease-store.ts'
import { RecordWatch } from './record-watch.ts'
import { Validity } from './validity.ts'

export interface SharedLeaseOptions {
  /** The name of this host in the fleet. */
  readonly host: string
  readonly mode: LeaseStatus['mode']
  /** How long a grant lasts without renewal, in milliseconds; the store has the same number. */
  readonly ttlMs: number
  readonly log: Logger
}

/** A holder stops after this fraction of its lease, counted from when it sent the last renewal. */
const usableFraction = 0.98
const renewalsPerTtl = 5
/** The pause after a failed renewal, in milliseconds. */
const retryMs = 50
/** How long a release is retried, in milliseconds; after that, the others must wait until the lease has expired. */
const releaseWithinMs = 1_000

/**
 * The lease that hosts share through a store, from the point of view of one host.
 *
 * Its safety rests on this side: the deadline counts from before the renewal was sent, by the monotonic clock, and
 * the lease is never renewed past the deadline. Whatever the store forgets, or answers late, can only cost time.
 */
export class SharedLease implements Lease {
  readonly #options: SharedLeaseOptions
  readonly #store: LeaseStore
  readonly #listener: LeaseListener
  readonly #machine: Machine<LeaseState, LeaseEvent>
  readonly #watch = new RecordWatch(monotonicMs)
  readonly #validity = new Validity(monotonicMs)
  /** Ends any wait that belongs to the current state of the lease. */
  #wake = new InterruptibleSleep()
  #grant: Grant | null = null
  #deadline: NodeJS.Timeout | undefined
  #reason: string | null = null
  /** The instances that the listener knows as holders; undefined when it must be told again. */
  #reportedHolders: string | undefined
  #acquisition: Promise<void> | undefined

  constructor(store: LeaseStore, options: SharedLeaseOptions, listener: LeaseListener) {
    this.#store = store
    this.#options = options
    this.#listener = listener
    this.#machine = new Machine<LeaseState, LeaseEvent>(
      leaseTransitions,
      'idle',
      (from, event, to, cause) =>
        options.log.debug(
          { from, event, to, cause, token: this.#grant?.token },
          `The lease is ${to}`,
        ),
    )
  }

  get grant(): Grant | null {
    return this.#grant
  }

  get status(): LeaseStatus {
    const { mode, host } = this.#options
    const grant = this.#grant
    const other = this.#watch.records.find(({ state }) => state === 'held')
    const sinceMs = grant?.sinceMs ?? other?.sinceMs
    return {
      mode,
      held: grant !== null,
      token: grant?.token ?? null,
      slot: grant?.slot ?? null,
      validForMs: grant === null ? null : Math.round(this.#validity.remainingMs),
      holder: grant !== null ? host : (other?.host ?? null),
      since: sinceMs === undefined ? null : new Date(sinceMs).toISOString(),
      reason: grant !== null ? null : this.#reason,
    }
  }

  isValid(): boolean {
    if (this.#validity.isValid()) return true
    // The caller has a connection to serve: settle any doubt now, not at the next renewal.
    if (this.#machine.state === 'held') this.#wake.now()
    return false
  }

  acquire(): void {
    if (this.#machine.state === 'acquiring') return
    this.#machine.apply('acquire')
    this.#watch.reset()
    this.#reportedHolders = undefined
    this.#acquisition = this.#acquireUntilGranted(this.#newWake())
  }

  check(): void {
    if (this.#machine.state !== 'held') return
    if (this.#validity.remainingMs === 0)
      this.#lose('the lease expired while this process was paused')
    else this.#wake.now()
  }

  get hold(): Hold | null {
    const grant = this.#grant
    return grant === null ? null : { grant, deadlineMs: this.#validity.deadlineMs }
  }

  async resume({ grant, deadlineMs }: Hold): Promise<void> {
    for (;;) {
      const sentMs = monotonicMs()
      // After the deadline, a renewal could restore a record that the store has lost and that others have acquired
      // since.
      if (sentMs >= deadlineMs) {
        throw new HelloserverError('BOOT_FAILED', 'The lease expired before it was passed on')
      }
      const renewal = await this.#store.renew(grant)
      if (renewal.kind === 'lost') {
        throw new HelloserverError('BOOT_FAILED', `${renewal.host} has the lease by now`)
      }
      if (renewal.kind === 'renewed') {
        this.#begin('resume', grant, sentMs)
        return
      }
    }
  }

  stop(): void {
    this.#end('stop')
  }

  async release(): Promise<void> {
    const grant = this.#grant
    this.#end('stop')
    if (grant !== null) await this.#release(grant)
    // A request that is still in flight may yet be granted.
    await this.#acquisition
  }

  close(): void {
    this.#end('stop')
    this.#store.close()
  }

  async #acquireUntilGranted(wake: InterruptibleSleep): Promise<void> {
    let unsubscribe: (() => void) | undefined
    try {
      while (!wake.isOver) {
        let pauseMs = pollPauseMs()
        const sentMs = monotonicMs()
        try {
          const { highestToken } = this.#watch
          const answer = await this.#store.acquire(highestToken, this.#watch.expired())
          if (answer.kind === 'granted') {
            // The grant came too late for the caller.
            if (wake.isOver) await this.#release(answer.grant)
            else this.#begin('granted', answer.grant, sentMs)
            return
          }
          if (wake.isOver) return
          this.#watch.observe(answer.records)
          this.#reportHolders()
          unsubscribe ??= this.#store.subscribe(() => wake.now())
          pauseMs = Math.min(pauseMs, this.#watch.nextExpiryInMs + 1)
        } catch (error) {
          if (wake.isOver) return
          this.#reportFailure(error)
        }
        await wake.sleep(pauseMs)
      }
    } finally {
      unsubscribe?.()
    }
  }

  #begin(event: 'granted' | 'resume', grant: Grant, sentMs: number): void {
    this.#grant = grant
    this.#watch.noteToken(grant.token)
    this.#reason = null
    this.#machine.apply(event)
    this.#extend(sentMs)
    void this.#renewUntilLost(grant, this.#newWake(), sentMs)
    // The answer may have been under way for longer than the lease lasts.
    if (this.#validity.remainingMs === 0) this.#lose('the lease expired before its grant arrived')
    else this.#listener.onHeld(grant)
  }

  async #renewUntilLost(grant: Grant, wake: InterruptibleSleep, grantedMs: number): Promise<void> {
    const everyMs = this.#options.ttlMs / renewalsPerTtl
    let dueMs = grantedMs + everyMs
    for (;;) {
      await wake.sleep(Math.max(0, dueMs - monotonicMs()))
      if (wake.isOver) return
      // A late renewal could reach a server that knows nothing of later holders.
      if (this.#validity.remainingMs === 0) return this.#lose(this.#whyItExpired())
      const sentMs = monotonicMs()
      try {
        const renewal = await this.#store.renew(grant)
        if (wake.isOver) return
        if (renewal.kind === 'lost') {
          return this.#lose(`${renewal.host} has it, with token ${renewal.token}`)
        }
        if (renewal.kind === 'renewed') this.#extend(sentMs)
        this.#reason = null
        dueMs = renewal.kind === 'renewed' ? sentMs + everyMs : sentMs
      } catch (error) {
        if (wake.isOver) return
        this.#reportFailure(error)
        dueMs = monotonicMs() + retryMs
      }
    }
  }

  #extend(sentMs: number): void {
    const deadlineMs = sentMs + usableFraction * this.#options.ttlMs
    this.#validity.extend(deadlineMs)
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(
      () => this.#lose(this.#whyItExpired()),
      Math.ceil(this.#validity.remainingMs) + 1,
    )
    this.#listener.onExtended(deadlineMs)
  }

  #whyItExpired(): string {
    return `it could not be renewed in time${this.#reason === null ? '' : `: ${this.#reason}`}`
  }

  #lose(cause: string): void {
    if (this.#machine.state !== 'held') return
    this.#reason = cause
    this.#end('lost', cause)
    this.#listener.onLost(cause)
  }

  #end(event: 'lost' | 'stop', cause?: string): void {
    this.#wake.end()
    this.#validity.end()
    clearTimeout(this.#deadline)
    this.#machine.apply(event, cause)
    this.#grant = null
  }

  async #release(grant: Grant): Promise<void> {
    const untilMs = monotonicMs() + releaseWithinMs
    for (;;) {
      try {
        await this.#store.release(grant)
        return
      } catch (error) {
        if (monotonicMs() > untilMs) {
          this.#options.log.warn(
            { reason: messageOf(error), ttlMs: this.#options.ttlMs },
            'Could not release the lease; the other hosts wait until it has expired',
          )
          return
        }
        await new InterruptibleSleep().sleep(retryMs)
      }
    }
  }

  #reportHolders(): void {
    const { records } = this.#watch
    if (records.some(({ state }) => state !== 'held')) {
      const { name } = this.#store
      this.#reason = `${name} has just started, or has no record of a holder: waiting until no host can still be serving`
      return
    }
    const hosts = records.map(({ host }) => host)
    this.#reason = describeHolders(hosts, 'it')
    const before = this.#reportedHolders
    this.#reportedHolders = records.map(({ holder }) => holder).join()
    if (this.#reportedHolders !== before) this.#listener.onContended(hosts)
  }

  #reportFailure(error: unknown): void {
    // Anything else is a bug in this program.
    if (!(error instanceof HelloserverError)) throw error
    if (error.message === this.#reason) return
    this.#reason = error.message
    // After a failure, the holders are reported again, even if they are the same.
    this.#reportedHolders = undefined
    this.#listener.onFailure(error)
  }

  #newWake(): InterruptibleSleep {
    this.#wake.end()
    this.#wake = new InterruptibleSleep()
    return this.#wake
  }
}
