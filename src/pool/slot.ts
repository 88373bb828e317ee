import type { Config } from '../config/load.ts'
import type { HandOffWorker, WorkerHandOff } from '../connections/hand-off.ts'
import { type PendingConnection, peerOf } from '../connections/pending-connection.ts'
import type { Progress } from '../ipc/progress.ts'
import type { FromWorker, Offer, ToWorker, WorkerBoot } from '../ipc/worker-messages.ts'
import { Machine } from '../lifecycle/machine.ts'
import type { Wear } from '../lifecycle/recycle.ts'
import { defaultRespawnPolicy as policy } from '../lifecycle/respawn.ts'
import { type SlotEvent, type SlotState, slotTransitions } from '../lifecycle/slot-states.ts'
import type { WorkerStatus } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { WorkerOutput } from '../telemetry/worker-output.ts'
import { Fitness, type Judged } from './fitness.ts'
import { failuresAfter, type ProcessExit, type WorkerExit } from './worker-exit.ts'
import { channelClosed, type ProcessEvent, WorkerProcess } from './worker-process.ts'

/** How much longer than its closing handshakes an unfit worker may take to end, in milliseconds. */
const endGraceMs = 1_000

/** The pool, as its slots see it. */
export interface SlotListener {
  /** The process has loaded its code, and begins to get ready. */
  onLoaded(slot: WorkerSlot): void
  onReady(slot: WorkerSlot): void
  /** The process is alive but cannot do its job; it is on its way out. */
  onUnfit(slot: WorkerSlot, reason: string): void
  /** The process has ended, and everything that it had sent has been read. */
  onExit(slot: WorkerSlot, exit: WorkerExit): void
}

/** The parts that all slots of a pool share. */
export interface SlotContext {
  /** The folder for claim registers. */
  readonly runDir: string
  readonly handOff: Pick<
    WorkerHandOff,
    'kind' | 'link' | 'progress' | 'removeIdle' | 'settle' | 'unsent'
  >
  readonly output: Pick<WorkerOutput, 'open'>
  readonly listener: SlotListener
  readonly log: Logger
}

/**
 * The state of one worker: it holds one process at a time, and outlives the processes that it holds. Its fields change
 * only here; others tell it what has happened.
 */
export class WorkerSlot implements HandOffWorker, Judged {
  readonly number: number
  readonly #context: SlotContext
  readonly #machine: Machine<SlotState, SlotEvent>
  #generation: number
  #boot: WorkerBoot | undefined
  /** Both are undefined while the slot has no process. */
  #process: WorkerProcess | undefined
  #fitness: Fitness | undefined
  #inHand: PendingConnection | undefined
  #inHandSinceMs = 0
  #lastSeenMs = 0
  #movedAtMs = 0
  #rssBytes = 0
  #served = 0
  #servedBefore = 0
  #failures = 0
  #jitter = 0
  #hastening: NodeJS.Timeout | undefined

  constructor(number: number, generation: number, context: SlotContext) {
    this.number = number
    this.#generation = generation
    this.#context = context
    this.#machine = new Machine<SlotState, SlotEvent>(
      slotTransitions,
      'empty',
      (from, event, to, cause) => this.#moved(from, event, to, cause),
    )
  }

  get state(): SlotState {
    return this.#machine.state
  }

  /** The configuration that its process was given; undefined before the first. */
  get config(): Config | undefined {
    return this.#boot?.config
  }

  /** How many endpoints its process was told of when it was started. */
  get endpointsAtBoot(): number {
    return this.#boot?.endpoints.length ?? 0
  }

  /** The generation of its process; a slot may pass from one generation to another. */
  get generation(): number {
    return this.#generation
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** The connection that the worker was offered or has claimed. */
  get inHand(): PendingConnection | undefined {
    return this.#inHand
  }

  /** When it was offered; monotonic milliseconds. */
  get inHandSinceMs(): number {
    return this.#inHandSinceMs
  }

  /** When the worker last gave a sign of life; monotonic milliseconds. */
  get lastSeenMs(): number {
    return this.#lastSeenMs
  }

  /** When its state last changed; monotonic milliseconds. */
  get movedAtMs(): number {
    return this.#movedAtMs
  }

  /** Consecutive failures, for the respawn policy. */
  get failures(): number {
    return this.#failures
  }

  /** Whether its workers die again and again. */
  get isLooping(): boolean {
    return this.#failures >= policy.loopAfter && this.#readyForMs < policy.stableAfterMs
  }

  /** How much its process has been used, for the recycling policy. */
  get wear(): Wear {
    return {
      served: this.#served - this.#servedBefore,
      readyForMs: this.#readyForMs,
      rssBytes: this.#rssBytes,
      jitter: this.#jitter,
    }
  }

  get status(): WorkerStatus {
    const inHand = this.#inHand
    return {
      slot: this.number,
      pid: this.pid ?? null,
      state: this.state,
      generation: this.generation,
      served: this.#served,
      rssBytes: this.#rssBytes,
      busyMs: inHand === undefined ? null : Math.round(performance.now() - this.#inHandSinceMs),
      remote: inHand === undefined ? null : peerOf(inHand),
    }
  }

  /**
   * Starts a process in this slot and tells it what to run. If that fails, the slot behaves as if its process had died,
   * so that both cases are handled in one way.
   */
  spawn(boot: WorkerBoot): void {
    this.#machine.apply('spawn')
    this.#boot = boot
    this.#generation = boot.generation
    this.#servedBefore = this.#served
    this.#jitter = Math.random()
    this.#rssBytes = 0
    this.#lastSeenMs = performance.now()
    const { runDir, output, handOff } = this.#context
    const process = new WorkerProcess(
      boot,
      runDir,
      () => handOff.link(this),
      (event) => this.#onEvent(event),
      (report) => fitness.reported(report),
    )
    const fitness = new Fitness(this, process, boot.config.watchdog.heartbeatMs)
    this.#process = process
    this.#fitness = fitness
    process.start((printer) => output.open(printer))
  }

  get isIdle(): boolean {
    return this.#machine.state === 'idle'
  }

  /** Sends a connection. The primary keeps its own copy of the socket until the connection has ended. */
  offer(connection: PendingConnection): void {
    this.#machine.apply('offer')
    this.#inHand = connection
    this.#inHandSinceMs = connection.offeredAtMs
    this.#fitness?.offered(connection.id)
    const { id, endpoint, handle, preface } = connection
    const offer: Offer =
      preface === undefined
        ? [id, endpoint.number]
        : [id, endpoint.number, preface.toString('base64')]
    this.#process?.sendSocket(offer, handle)
  }

  admit(): void {
    this.#process?.send({ kind: 'admit' })
  }

  took(connection: PendingConnection): void {
    // One that is to end may have taken another one before it heard of that.
    if (this.#machine.accepts('offer')) this.#machine.apply('offer')
    this.#inHand = connection
    this.#inHandSinceMs = connection.offeredAtMs
  }

  distrust(reason: string): void {
    this.takeOut(reason, 'retire')
  }

  hasClaimed(connection: PendingConnection): boolean {
    return this.#fitness?.hasClaimed(connection) ?? false
  }

  /** Whether the worker was offered a connection that it has not claimed yet. */
  get hasUnclaimed(): boolean {
    return this.#inHand !== undefined && !this.hasClaimed(this.#inHand)
  }

  release(isServed: boolean): void {
    this.#inHand = undefined
    if (isServed) this.#served += 1
    if (this.#machine.accepts('free')) this.#machine.apply('free')
    this.#hasten()
  }

  lose(isServed: boolean): void {
    this.#inHand = undefined
    if (isServed) this.#served += 1
  }

  progress(report: Progress): void {
    this.#context.handOff.progress(this, report)
  }

  /**
   * The worker cannot do its job: it ends after its active connection, by force if need be.
   *
   * @param how - `kill` makes it give up a connection that it has not claimed
   */
  takeOut(reason: string, how: 'retire' | 'kill'): void {
    // A worker that is not ready yet has nothing to finish.
    const isStarting = this.state === 'starting'
    const isFirst = this.#fitness?.condemn(reason) ?? false
    if (isFirst) this.#context.listener.onUnfit(this, reason)
    this.#expectExit(reason)
    if (isFirst) this.#process?.send({ kind: 'retire' })
    this.#hasten()
    if (isStarting) this.kill(reason)
    else if (how === 'kill') this.#killUnlessReading(reason)
  }

  /** Ends the process after its active connection. */
  retire(cause: string): void {
    if (!this.#machine.accepts('retire')) return
    this.#expectExit(cause)
    this.#process?.send({ kind: 'retire' })
  }

  /** Sends a message to the process, unless it is not ready yet. */
  tell(message: ToWorker): void {
    this.#process?.tell(message)
  }

  /** Asks the process to drop its connection and exit. */
  terminate(): void {
    this.#process?.send({ kind: 'terminate' })
  }

  /** Kills the process; `reason` is what the log and a failed start report. */
  kill(reason: string): void {
    if (!this.#machine.accepts('kill')) return
    this.#machine.apply('kill', reason)
    this.#process?.kill(reason)
  }

  /** Restarts the clocks that the watchdog reads. */
  resetClocks(nowMs: number): void {
    this.#lastSeenMs = nowMs
    this.#movedAtMs = nowMs
    this.#inHandSinceMs = nowMs
  }

  /** The next process is started after a delay. */
  backOff(): void {
    this.#machine.apply('back-off')
  }

  /** Gives up waiting for the next start. */
  cancel(): void {
    if (this.#machine.accepts('cancel')) this.#machine.apply('cancel')
  }

  get #readyForMs(): number {
    return this.#process?.readyForMs ?? 0
  }

  #moved(from: SlotState, event: SlotEvent, to: SlotState, cause: string | undefined): void {
    this.#movedAtMs = performance.now()
    // Taking and ending a connection are moves too, but not worth a line each.
    if (event === 'offer' || event === 'free') return
    // Whatever ends a worker, from now on it is offered nothing more.
    if (event !== 'ready') this.#context.handOff.removeIdle(this)
    const { number: slot, generation } = this
    this.#context.log.debug({ slot, generation, from, event, to, cause }, 'Worker slot moved')
  }

  #onEvent(event: ProcessEvent): void {
    switch (event.kind) {
      case 'message':
        this.#lastSeenMs = performance.now()
        this.#receive(event.message)
        return
      case 'unsent':
        this.#context.handOff.unsent(this, event.unsent)
        return
      case 'channel-fault': {
        // Such a worker may keep writing and never read: a connection that it has not claimed goes to others at once.
        const isOffered = this.#inHand !== undefined && !this.#isReading
        this.takeOut(event.reason, isOffered ? 'kill' : 'retire')
        return
      }
      case 'fault':
        this.takeOut(event.reason, 'retire')
        return
      case 'leaving':
        this.#expectExit(event.reason)
        return
      case 'unusable':
        this.kill(event.reason)
        return
      case 'exit':
        this.#exited(event.exit)
        return
    }
  }

  #receive(message: FromWorker): void {
    switch (message.kind) {
      case 'ready':
        if (!this.#machine.accepts('ready')) return
        this.#machine.apply('ready')
        this.#process?.markReady()
        this.#context.listener.onReady(this)
        return
      case 'leaving':
        if (message.unfit !== undefined) this.takeOut(message.unfit, 'retire')
        else this.#expectExit('it was told to end')
        return
      case 'heartbeat':
        this.#rssBytes = message.rssBytes
        this.#fitness?.compare(message)
        return
      case 'hello':
        this.#context.listener.onLoaded(this)
        return
      // The process itself has dealt with this.
      case 'boot-failed':
        return
    }
  }

  /** The process ends by itself, or may be ending. */
  #expectExit(cause: string): void {
    if (this.#machine.accepts('retire')) this.#machine.apply('retire', cause)
  }

  /** Whether it has claimed its connection: then only this worker can end that well. */
  get #isReading(): boolean {
    return this.#inHand !== undefined && this.hasClaimed(this.#inHand)
  }

  /** Kills a worker that is unfit and reads no connection, once its closing handshakes may be over. */
  #hasten(): void {
    const reason = this.#fitness?.reason
    if (reason === undefined || this.#isReading) return
    const graceMs = (this.config?.connection.lingerMs ?? 0) + endGraceMs
    this.#hastening ??= setTimeout(() => {
      this.#hastening = undefined
      this.#killUnlessReading(reason)
    }, graceMs)
  }

  /**
   * Kills the process unless it has claimed its connection, which only it can end well. It is stopped for that check:
   * otherwise it could claim between the check and its end, and a client would be lost that another worker can serve.
   */
  #killUnlessReading(reason: string): void {
    if (this.#process?.pause() !== true) return
    this.#context.handOff.settle()
    if (this.#isReading) this.#process.continue()
    else this.kill(reason)
  }

  #exited(exit: ProcessExit): void {
    this.#context.handOff.settle()
    // Only the exit status could tell how its last connection ended, so nothing else reached the primary.
    if (exit.lastStep !== undefined) this.takeOut(channelClosed, 'retire')
    clearTimeout(this.#hastening)
    this.#hastening = undefined
    const workerExit = {
      ...exit,
      wasKilled: this.state === 'killing',
      unfit: this.#fitness?.reason,
      claimed: this.#fitness?.claimedId ?? 0,
    }
    this.#process?.close()
    this.#process = undefined
    this.#fitness = undefined
    this.#failures = failuresAfter(this.#failures, workerExit)
    this.#machine.apply('exit')
    this.#context.listener.onExit(this, workerExit)
  }
}
