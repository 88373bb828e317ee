import { HelloserverError, messageOf } from '../errors.ts'
import { type LeaseEvent, type LeaseState, leaseTransitions } from '../lifecycle/lease-states.ts'
import { Machine } from '../lifecycle/machine.ts'
import type { RedisLink } from '../redis/link.ts'
import { pollPauseMs } from '../redis/poll.ts'
import type { Logger } from '../telemetry/logger.ts'
import { monotonicMs } from '../clock.ts'
import { keysOf } from './keys.ts'
import type { Grant, Hold, Lease, LeaseListener, LeaseStatus } from './lease.ts'
import { type Contender, LeaseStore } from './lease-store.ts'
import { Observations } from './observations.ts'
import { Validity } from './validity.ts'
import { InterruptibleSleep } from '../async/interruptible-sleep.ts'
import { whoHas } from './who-has.ts'

export interface RedisLeaseOptions extends Contender {
  readonly service: string
  readonly mode: LeaseStatus['mode']
  /** How many hosts may serve at a time. */
  readonly slots: number
  /** How long a hold lasts without renewal, in milliseconds. */
  readonly ttlMs: number
  readonly log: Logger
}

/** A holder stops after this fraction of its lease, counted from when it sent the last renewal. */
const useOfTtl = 0.98
const renewalsPerTtl = 5
/** The pause after a failed renewal, in milliseconds. */
const retryMs = 50
/** How long a release is retried, in milliseconds; after that, the others must wait for the lease to run out. */
const releaseWithinMs = 1_000

/**
 * The lease in Redis, from the point of view of one host.
 *
 * Its safety rests on this side: the deadline counts from before the renewal was sent, by the monotonic clock, and
 * the lease is never renewed past the deadline. Whatever Redis forgets, or answers late, can only cost time.
 */
export class RedisLease implements Lease {
  readonly #options: RedisLeaseOptions
  readonly #link: RedisLink
  readonly #store: LeaseStore
  readonly #listener: LeaseListener
  readonly #machine: Machine<LeaseState, LeaseEvent>
  readonly #observations = new Observations(monotonicMs)
  readonly #validity = new Validity(monotonicMs)
  /** Ends any wait that belongs to the current state of the lease. */
  #wake = new InterruptibleSleep()
  #grant: Grant | null = null
  #deadline: NodeJS.Timeout | undefined
  #reason: string | null = null
  #contended: string | undefined
  #contending: Promise<void> | undefined

  constructor(link: RedisLink, options: RedisLeaseOptions, listener: LeaseListener) {
    this.#options = options
    this.#link = link
    this.#listener = listener
    const { service, slots, ttlMs } = options
    this.#store = new LeaseStore(link, keysOf(service, slots), options, ttlMs)
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
    const others = this.#observations.records.find(({ state }) => state === 'held')
    const sinceMs = grant?.sinceMs ?? others?.sinceMs
    return {
      mode,
      held: grant !== null,
      token: grant?.token ?? null,
      slot: grant?.slot ?? null,
      validForMs: grant === null ? null : Math.round(this.#validity.remainingMs),
      holder: grant !== null ? host : (others?.host ?? null),
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

  seek(): void {
    if (this.#machine.state === 'seeking') return
    this.#machine.apply('seek')
    this.#observations.forget()
    this.#contended = undefined
    this.#contending = this.#contend(this.#renewWake())
  }

  check(): void {
    if (this.#machine.state !== 'held') return
    if (this.#validity.remainingMs === 0)
      this.#lose('the lease ran out while this process was paused')
    else this.#wake.now()
  }

  get hold(): Hold | null {
    const grant = this.#grant
    return grant === null ? null : { grant, deadlineMs: this.#validity.deadlineMs }
  }

  async resume({ grant, deadlineMs }: Hold): Promise<void> {
    const sentMs = monotonicMs()
    // After the deadline, a renewal could restore a record that the server has lost and that others have acquired
    // since.
    if (sentMs >= deadlineMs) {
      throw new HelloserverError('BOOT_FAILED', 'The lease ran out before it was passed on')
    }
    const renewal = await this.#store.restore(grant)
    if (renewal.kind === 'lost') {
      throw new HelloserverError('BOOT_FAILED', `${renewal.host} has the lease by now`)
    }
    this.#hold('resume', grant, sentMs)
  }

  rest(): void {
    this.#end('rest')
  }

  async release(): Promise<void> {
    const grant = this.#grant
    this.#end('rest')
    if (grant !== null) await this.#giveBack(grant)
    // A request that is still in flight may yet be granted.
    await this.#contending
  }

  close(): void {
    this.#end('rest')
    this.#link.close()
  }

  async #contend(wake: InterruptibleSleep): Promise<void> {
    let unsubscribe: (() => void) | undefined
    try {
      while (!wake.isOver) {
        let pauseMs = pollPauseMs()
        const sentMs = monotonicMs()
        try {
          const { highestToken } = this.#observations
          const answer = await this.#store.acquire(highestToken, this.#observations.matured())
          if (answer.kind === 'granted') {
            // The grant came too late for the caller.
            if (wake.isOver) await this.#giveBack(answer.grant)
            else this.#hold('granted', answer.grant, sentMs)
            return
          }
          if (wake.isOver) return
          this.#observations.see(answer.records)
          this.#tellWhoHolds()
          unsubscribe ??= this.#store.onHint(() => wake.now())
          pauseMs = Math.min(pauseMs, this.#observations.nextInMs + 1)
        } catch (error) {
          if (wake.isOver) return
          this.#trouble(error)
        }
        await wake.sleep(pauseMs)
      }
    } finally {
      unsubscribe?.()
    }
  }

  #hold(event: 'granted' | 'resume', grant: Grant, sentMs: number): void {
    this.#grant = grant
    this.#observations.noteToken(grant.token)
    this.#reason = null
    this.#machine.apply(event)
    this.#extend(sentMs)
    void this.#keep(grant, this.#renewWake(), sentMs)
    // The answer may have been under way for longer than the lease lasts.
    if (this.#validity.remainingMs === 0)
      this.#lose('the lease ran out before its grant had arrived')
    else this.#listener.onHeld(grant)
  }

  async #keep(grant: Grant, wake: InterruptibleSleep, grantedMs: number): Promise<void> {
    const everyMs = this.#options.ttlMs / renewalsPerTtl
    let dueMs = grantedMs + everyMs
    for (;;) {
      await wake.sleep(Math.max(0, dueMs - monotonicMs()))
      if (wake.isOver) return
      // A late renewal could reach a server that knows nothing of later holders.
      if (this.#validity.remainingMs === 0) return this.#lose(this.#whyItRanOut())
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
        this.#trouble(error)
        dueMs = monotonicMs() + retryMs
      }
    }
  }

  #extend(sentMs: number): void {
    const deadlineMs = sentMs + useOfTtl * this.#options.ttlMs
    this.#validity.extend(deadlineMs)
    clearTimeout(this.#deadline)
    this.#deadline = setTimeout(
      () => this.#lose(this.#whyItRanOut()),
      Math.ceil(this.#validity.remainingMs) + 1,
    )
    this.#listener.onExtended(deadlineMs)
  }

  #whyItRanOut(): string {
    return `it could not be renewed in time${this.#reason === null ? '' : `: ${this.#reason}`}`
  }

  #lose(cause: string): void {
    if (this.#machine.state !== 'held') return
    this.#reason = cause
    this.#end('lost', cause)
    this.#listener.onLost(cause)
  }

  #end(event: 'lost' | 'rest', cause?: string): void {
    this.#wake.end()
    this.#validity.end()
    clearTimeout(this.#deadline)
    this.#machine.apply(event, cause)
    this.#grant = null
  }

  async #giveBack(grant: Grant): Promise<void> {
    const untilMs = monotonicMs() + releaseWithinMs
    for (;;) {
      try {
        await this.#store.release(grant)
        return
      } catch (error) {
        if (monotonicMs() > untilMs) {
          this.#options.log.warn(
            { reason: messageOf(error), ttlMs: this.#options.ttlMs },
            'Could not give the lease back; the others wait until it has run out',
          )
          return
        }
        await new InterruptibleSleep().sleep(retryMs)
      }
    }
  }

  #tellWhoHolds(): void {
    const { records } = this.#observations
    if (records.some(({ state }) => state !== 'held')) {
      this.#reason =
        'Redis has just started, or knows of no host: waiting until nobody can still be serving'
      return
    }
    const hosts = records.map(({ host }) => host)
    this.#reason = whoHas('it', hosts)
    const before = this.#contended
    this.#contended = records.map(({ holder }) => holder).join()
    if (this.#contended !== before) this.#listener.onContended(hosts)
  }

  #trouble(error: unknown): void {
    // Anything else is a bug in this program.
    if (!(error instanceof HelloserverError)) throw error
    if (error.message === this.#reason) return
    this.#reason = error.message
    // After trouble, the next `onContended` reports the holders again, even if they are the same.
    this.#contended = undefined
    this.#listener.onTrouble(error)
  }

  #renewWake(): InterruptibleSleep {
    this.#wake.end()
    this.#wake = new InterruptibleSleep()
    return this.#wake
  }
}
