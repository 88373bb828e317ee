import { type Deferred, deferred } from '../async/deferred.ts'
import { InterruptibleSleep } from '../async/interruptible-sleep.ts'
import { HelloserverError, messageOf } from '../errors.ts'
import { Machine } from '../lifecycle/machine.ts'
import {
  type PermitEvent,
  type PermitState,
  permitTransitions,
} from '../lifecycle/permit-states.ts'
import { pollPauseMs } from '../poll-pause.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { PermitStatus, Purpose } from './fleet-status.ts'
import type { FleetStore, Heartbeat, Member, PermitAnswer } from './fleet-store.ts'
import { permitLine } from './permit-line.ts'
import type { Registration } from './registration.ts'

/** An unreachable store keeps a host from going down for at most this long, in milliseconds. */
const patienceMs = 2_000

/**
 * Permits to go down, of which the fleet grants a few at a time. A host has one permit for all purposes: a stop
 * during a reload uses the reload's permit.
 */
export class Permits {
  readonly #store: FleetStore
  readonly #member: Member
  readonly #registration: Registration
  readonly #log: Logger
  readonly #machine: Machine<PermitState, PermitEvent>
  readonly #purposes = new Set<Purpose>()
  #wake = new InterruptibleSleep()
  /** Resolved when this host may go down, or no longer wants to. */
  #decision: Deferred<void> = deferred()
  /** Kept while this host waits, so that it keeps its place in line even if the store loses it. */
  #ticket = 0
  #status: PermitStatus | null = null

  constructor(store: FleetStore, member: Member, registration: Registration, log: Logger) {
    this.#store = store
    this.#member = member
    this.#registration = registration
    this.#log = log
    this.#machine = new Machine<PermitState, PermitEvent>(
      permitTransitions,
      'none',
      (from, event, to, cause) =>
        log.debug({ from, event, to, cause, ticket: this.#ticket }, `The permit is ${to}`),
    )
    store.subscribe(() => {
      if (this.#machine.state === 'waiting') this.#wake.now()
    })
  }

  /** The state of this host's wait; null when it is not waiting. */
  get status(): PermitStatus | null {
    return this.#status
  }

  /** The permit, as heartbeats report it. */
  get held(): Heartbeat['permit'] {
    const { state } = this.#machine
    if (state === 'none') return null
    return state === 'waiting' ? 'waiting' : this.#purpose
  }

  /** Resolves when this host may go down. It always resolves eventually. */
  async acquire(purpose: Purpose): Promise<void> {
    this.#purposes.add(purpose)
    if (this.#machine.state === 'none') {
      this.#machine.apply('ask', purpose)
      this.#decision = deferred()
      this.#wake = new InterruptibleSleep()
      this.#status = { for: purpose, place: null, down: [], reason: null }
      void this.#requestUntilDecided(this.#wake)
    }
    await this.#decision.promise
  }

  /** Goes down without a permit. */
  skip(purpose: Purpose, cause: string): void {
    this.#purposes.add(purpose)
    if (this.#machine.accepts('skip')) this.#conclude('skip', cause)
  }

  /** Lets a waiting request go ahead without a permit; returns false when it is not waiting. */
  escalate(purpose: Purpose, cause: string): boolean {
    if (this.#machine.state !== 'waiting' || !this.#purposes.has(purpose)) return false
    this.#conclude('skip', cause)
    return true
  }

  /** The purpose has been fulfilled and no longer needs the permit. */
  end(purpose: Purpose): void {
    this.#purposes.delete(purpose)
    if (this.#purposes.size === 0 && this.#machine.accepts('end')) this.#conclude('end', purpose)
  }

  /** Nothing needs a permit any more. */
  giveUp(): void {
    this.#purposes.clear()
    if (this.#machine.accepts('end')) this.#conclude('end', 'given up')
  }

  get #purpose(): Purpose {
    return this.#purposes.has('stopping') ? 'stopping' : 'reloading'
  }

  async #requestUntilDecided(wake: InterruptibleSleep): Promise<void> {
    let failingSinceMs: number | undefined
    while (!wake.isOver) {
      try {
        const answer = await this.#store.requestPermit(
          this.#member,
          this.#purpose,
          this.#ticket,
          this.#registration.isAlone,
        )
        if (wake.isOver) return
        this.#apply(answer)
        failingSinceMs = undefined
      } catch (error) {
        if (wake.isOver) return
        failingSinceMs ??= performance.now()
        this.#endure(error, performance.now() - failingSinceMs)
      }
      await wake.sleep(pollPauseMs())
    }
  }

  #apply(answer: PermitAnswer): void {
    switch (answer.kind) {
      case 'granted':
        this.#conclude('grant')
        return
      case 'unknown':
        this.#registration.report()
        throw new HelloserverError('UNKNOWN_HOST', 'the fleet does not know this host yet')
      case 'waiting': {
        const { place, down, ticket, isRecovering } = answer
        const reason = isRecovering
          ? `${this.#store.name} has just started: its hosts are registering again`
          : null
        this.#ticket = ticket
        this.#show({ for: this.#purpose, place, down, reason })
      }
    }
  }

  #show(status: PermitStatus): void {
    const isNews = this.#status === null || permitLine(this.#status) !== permitLine(status)
    this.#status = status
    if (isNews) this.#log.info({ ...status }, permitLine(status))
  }

  #endure(error: unknown, forMs: number): void {
    if (!(error instanceof HelloserverError)) throw error
    const reason = messageOf(error)
    this.#status = { for: this.#purpose, place: null, down: [], reason }
    if (forMs < patienceMs) return
    this.#log.warn({ reason }, 'Going down without a permit: the fleet does not answer')
    this.#conclude('skip', reason)
  }

  #conclude(event: 'grant' | 'skip' | 'end', cause?: string): void {
    this.#machine.apply(event, cause)
    this.#wake.end()
    this.#status = null
    this.#ticket = 0
    this.#decision.resolve()
    this.#registration.report()
  }
}
