import { availableParallelism } from 'node:os'
import { type GateEvent, type GateState, gateTransitions } from '../lifecycle/gate-states.ts'
import { nextState } from '../lifecycle/machine.ts'
import type { NativeModule } from '../native/native.ts'
import type { AcceptRest } from './accept-rest.ts'
import { noNonce } from './grants.ts'
import type { NativeLink } from './native-link.ts'
import type { QueueLimits } from './queue.ts'
import type { TakingWorkers } from './taking-workers.ts'

/** How often it is looked at while it is not closed, in milliseconds. */
const lookEveryMs = 5
/** After so many looks, it closes: nobody has come, or those that wait in this process have not gone. */
const mostLooks = 10
/** At each of so many looks, all workers to which it is open are woken that wait for the bell. */
const wakeEvery = 20
/** After workers did not keep up, it does not turn for so many beats. */
const pauses = 5
/** It opens when at least so many handlers have ended in one beat, and nine in ten took no longer; in milliseconds. */
const fewest = 20
const shortMs = 0.25
const mostShort = 0.9
/** It closes when most take longer than this, when more connections wait with the sockets, or when they wait longer. */
const longMs = 1
const mostWaiting = 1_024
const longestWaitMs = 50
/**
 * To how many workers it opens at most. Handlers that are so short keep a processor busy, so that more of them would
 * only make the caches cold.
 */
const width = Math.max(4, 2 * availableParallelism())

/** A listening socket from which workers may accept, and the number of its endpoint. */
export interface GateSocket {
  readonly fd: number
  readonly endpoint: number
}

/** The hand-off, as its gate sees it. */
export interface GateOwner {
  readonly workers: Pick<TakingWorkers, 'ready'>
  readonly limits: QueueLimits
  /** How many connections wait in this process. */
  backlog(): number
  /** Whether connections may be handed out. */
  mayHandOut(): boolean
  /** Learns what the workers have done. */
  settle(): void
  /** Workers may have accepted connections until this moment. */
  onClosed(): void
  /** Reserves numbers of connections: see `Grants.extend`. */
  reserve(count: number): number
}

/**
 * Lets workers accept by themselves while that makes no difference but in speed: many short connections, none of which
 * this process has to see before its worker does. Each then costs this process nothing but its part of a look.
 *
 * While it is open, this process accepts nothing. It looks whether the workers keep up; if they do not, it closes, and
 * accepts all that wait, for whom the limits of the queue count from then on.
 */
export class Gate {
  readonly #native: NativeModule
  readonly #rest: AcceptRest
  readonly #owner: GateOwner
  #state: GateState = 'closed'
  #sockets: readonly GateSocket[] = []
  /** Tells these sockets from those before. */
  #number = 0
  /** How often it was opened. */
  #times = 0
  #looks = 0
  #turns = 0
  /** For how many beats it does not turn. */
  #pauses = 0
  /** The workers to which it is open. */
  readonly #passing = new Set<NativeLink>()
  /** What has become of connections since the last look, or beat. */
  #taken = 0
  #ended = 0
  #short = 0
  #long = 0
  #timer: NodeJS.Timeout | undefined

  constructor(native: NativeModule, rest: AcceptRest, owner: GateOwner) {
    this.#native = native
    this.#rest = rest
    this.#owner = owner
  }

  get state(): GateState {
    return this.#state
  }

  /** Whether it was open ever: a worker that was about to accept then may do so at any time. */
  get wasOpen(): boolean {
    return this.#times > 0
  }

  /** Workers may accept from these sockets from now on, which the next primary would find in the same order. */
  serve(sockets: readonly GateSocket[]): void {
    this.close()
    this.#sockets = sockets
    this.#number += 1
  }

  /** Workers may accept from no socket any more. */
  withdraw(): void {
    this.serve([])
  }

  /** A worker has taken a connection. */
  noteTaken(): void {
    this.#taken += 1
  }

  /** A connection has ended; its handler took so long, in milliseconds. */
  noteEnded(handlingMs: number): void {
    this.#ended += 1
    if (handlingMs <= shortMs) this.#short += 1
    else if (handlingMs > longMs) this.#long += 1
  }

  /** To be called at each beat of the hand-off: turns when it is worth it. */
  consider(): void {
    if (this.#state !== 'closed') return
    if (this.#pauses > 0) {
      this.#pauses -= 1
      this.#restart()
      return
    }
    // Otherwise, those that wait here would not be gone soon.
    const isWorth =
      this.#ended >= Math.max(fewest, this.#owner.backlog()) &&
      this.#short >= this.#ended * mostShort
    this.#restart()
    if (isWorth) this.turn()
  }

  /** Opens as soon as nobody waits in this process. */
  turn(): void {
    if (this.#state !== 'closed' || this.#sockets.length === 0) return
    this.#apply('turn')
    this.#looks = 0
    this.#rest.suspend()
    this.check()
    this.#wait()
  }

  /** Opens once nobody waits in this process. */
  check(): void {
    if (this.#state !== 'turning' || !this.#isClear) return
    this.#apply('open')
    this.#times += 1
    this.#looks = 0
    this.#openToFirst()
  }

  /** A worker takes connections from now on. */
  widen(): void {
    if (this.#state === 'open') this.#openToFirst()
  }

  /** A worker takes none any more. */
  remove(link: NativeLink): void {
    this.#closeTo(link)
    this.widen()
  }

  /** A connection is fed into the queue: what workers accept must not go before it. */
  noteFed(): void {
    if (this.#state === 'open') this.close()
  }

  /** This process accepts, and hands out. */
  close(): void {
    if (this.#state === 'closed') return
    this.#apply('close')
    clearTimeout(this.#timer)
    for (const link of this.#passing) this.#closeTo(link)
    this.#owner.onClosed()
    this.#rest.resume()
  }

  #openToFirst(): void {
    for (const link of this.#owner.workers.ready) {
      if (this.#passing.size >= width) return
      // The next primary could not tell which of its connections were counted.
      if (link.grants.nonce === noNonce || this.#passing.has(link)) continue
      this.#openTo(link)
    }
  }

  #closeTo(link: NativeLink): void {
    if (this.#passing.delete(link)) link.page.open(0)
  }

  #openTo(link: NativeLink): void {
    this.#passing.add(link)
    const endpoints = this.#sockets.map(({ endpoint }) => endpoint)
    link.grant((count) => this.#owner.reserve(count))
    link.page.name(this.#number, endpoints, link.grants.nonce)
    link.page.open(this.#times)
    // It waits for the bell, and not yet at the sockets.
    link.wakeAgain()
  }

  #wait(): void {
    this.#timer = setTimeout(() => this.#look(), lookEveryMs)
  }

  #look(): void {
    this.#owner.settle()
    const keepsUp = this.#keepsUp()
    this.#looks = this.#taken === 0 || this.#state === 'turning' ? this.#looks + 1 : 0
    this.#restart()
    this.check()
    if (!keepsUp) this.#pauses = pauses
    if (this.#looks > mostLooks || !keepsUp) this.close()
    if (this.#state === 'closed') return
    if (this.#state === 'open') this.#attend()
    this.#wait()
  }

  /** Opens to others in the place of workers that are not ready, and grants more to those that have used enough. */
  #attend(): void {
    const ready = new Set(this.#owner.workers.ready)
    for (const link of this.#passing) if (!ready.has(link)) this.#closeTo(link)
    this.#openToFirst()
    this.#turns += 1
    const isRound = this.#turns % wakeEvery === 0
    for (const link of this.#passing) {
      // It may have used up all that it had; or it has left the gate for want of memory, and nobody else wakes it.
      if (link.grant((count) => this.#owner.reserve(count)) || isRound) link.wakeAgain()
    }
  }

  /** Whether nothing would be gained if this process accepted. */
  #keepsUp(): boolean {
    if (this.#state === 'turning') return true
    const { limits } = this.#owner
    const backlogs = this.#sockets.map(({ fd }) => Math.max(0, this.#native.backlogOf(fd)))
    const backlog = backlogs.reduce((sum, waiting) => sum + waiting, 0)
    const waitMs = backlog === 0 ? 0 : (backlog / this.#taken) * lookEveryMs
    return (
      this.#isClear &&
      this.#long <= this.#ended / 2 &&
      backlog <= Math.min(mostWaiting, limits.max) &&
      waitMs <= Math.min(longestWaitMs, limits.maxWaitMs / 4)
    )
  }

  get #isClear(): boolean {
    return this.#owner.backlog() === 0 && this.#owner.mayHandOut()
  }

  #restart(): void {
    this.#taken = 0
    this.#ended = 0
    this.#short = 0
    this.#long = 0
  }

  #apply(event: GateEvent): void {
    this.#state = nextState(gateTransitions, this.#state, event)
  }
}
