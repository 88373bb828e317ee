import type { Worker } from 'node:cluster'
import type { Readable } from 'node:stream'
import type { Config } from '../config/load.ts'
import { HelloserverError, messageOf } from '../errors.ts'
import { ClaimRegister } from '../ipc/claim-register.ts'
import {
  decodeFromWorker,
  type ToWorker,
  type WorkerBoot,
  type WorkerView,
  workerProtocol,
} from '../ipc/worker-messages.ts'
import { ChannelGuard } from '../ipc/channel-guard.ts'
import {
  type Progress,
  ProgressReader,
  progressFd,
  stepOfStatus,
  uncounted,
  isCount,
} from '../ipc/progress.ts'
import { sendHandle } from '../ipc/socket-handle.ts'
import { Machine } from '../lifecycle/machine.ts'
import type { Wear } from '../lifecycle/recycle.ts'
import { type SlotEvent, type SlotState, slotTransitions } from '../lifecycle/slot-states.ts'
import type { WorkerStatus } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { processLimitHint } from '../start-process.ts'
import { waitUntilStopped } from '../stopped.ts'
import { forkWorker } from './fork-worker.ts'
import { Fitness } from './fitness.ts'
import { type PendingConnection, peerOf } from '../connections/pending-connection.ts'
import { onProcessEnd } from './process-end.ts'
import type { SlotListener } from './slot-listener.ts'

/** A place for one worker process, which outlives the processes in it. */
export class WorkerSlot {
  readonly number: number
  readonly #listener: SlotListener
  readonly #machine: Machine<SlotState, SlotEvent>
  #generation: number
  #worker: Worker | undefined
  #boot: WorkerBoot | undefined
  #claims: ClaimRegister | undefined
  #reason: string | undefined
  #failure: HelloserverError | undefined
  #guard: ChannelGuard | undefined
  #progress: Readable | undefined
  readonly #fitness = new Fitness()
  #readyAtMs: number | undefined
  #hadNoHeap = false
  #isTold = false
  #ending: NodeJS.Timeout | undefined
  #hadNoThread = false
  /** The connection that the worker was offered or has claimed. */
  inHand: PendingConnection | undefined
  inHandSinceMs = 0
  /** When the worker last gave a sign of life, and when its state last changed; monotonic milliseconds. */
  lastSeenMs = 0
  movedAtMs = 0
  served = 0
  rssBytes = 0
  /** Consecutive failures, for the respawn policy. */
  failures = 0
  #servedBefore = 0
  #jitter = 0

  constructor(number: number, generation: number, listener: SlotListener, log: Logger) {
    this.number = number
    this.#generation = generation
    this.#listener = listener
    this.#machine = new Machine<SlotState, SlotEvent>(
      slotTransitions,
      'empty',
      (from, event, to, cause) => {
        this.movedAtMs = performance.now()
        // Taking and ending a connection are moves too, but not worth a line each.
        if (event === 'offer' || event === 'free') return
        log.debug(
          { slot: number, generation: this.#generation, from, event, to, cause },
          'Worker slot moved',
        )
      },
    )
  }

  get state(): SlotState {
    return this.#machine.state
  }

  /** The configuration that its process was given; undefined before the first. */
  get config(): Config | undefined {
    return this.#boot?.config
  }

  /** The generation of its process; a slot may pass from one generation to another. */
  get generation(): number {
    return this.#generation
  }

  /** How much its process has been used, for the recycling policy. */
  get wear(): Wear {
    const { readyForMs, rssBytes } = this
    return { served: this.served - this.#servedBefore, readyForMs, rssBytes, jitter: this.#jitter }
  }

  get pid(): number | undefined {
    return this.#worker?.process.pid
  }

  /** How long the process has been ready, in milliseconds; 0 while it is not. */
  get readyForMs(): number {
    return this.#readyAtMs === undefined ? 0 : performance.now() - this.#readyAtMs
  }

  get status(): WorkerStatus {
    const { inHand } = this
    return {
      slot: this.number,
      pid: this.pid ?? null,
      state: this.state,
      generation: this.generation,
      served: this.served,
      rssBytes: this.rssBytes,
      busyMs: inHand === undefined ? null : Math.round(performance.now() - this.inHandSinceMs),
      remote: inHand === undefined ? null : peerOf(inHand),
    }
  }

  /**
   * Starts a process in this slot and tells it what to run; its claim register is created in `runDir`. If that
   * fails, the slot ends as if its process had died, so that both cases are handled in one way.
   */
  spawn(boot: WorkerBoot, runDir: string): void {
    this.#machine.apply('spawn')
    this.#boot = boot
    this.#generation = boot.generation
    this.#servedBefore = this.served
    this.#jitter = Math.random()
    this.#reason = undefined
    this.#failure = undefined
    this.#readyAtMs = undefined
    this.#hadNoHeap = false
    this.#isTold = false
    this.#ending = undefined
    this.#fitness.begin()
    this.#hadNoThread = false
    this.rssBytes = 0
    this.lastSeenMs = performance.now()
    this.#fork(runDir)
  }

  /** Sends a connection. The primary keeps its own copy of the socket until the connection has ended. */
  offer(connection: PendingConnection): void {
    this.#machine.apply('offer')
    this.inHand = connection
    this.inHandSinceMs = connection.offeredAtMs
    this.#fitness.offered(connection.id)
    if (this.#worker === undefined) return
    this.#guard?.expectAcknowledgement()
    sendHandle(this.#worker.process, connection.id, connection.handle, ignore)
  }

  /** Whether the worker has recorded, or reported, that it reads this connection. */
  hasClaimed({ id }: PendingConnection): boolean {
    return this.#claimedId === id
  }

  /** The connection in hand has ended. */
  free(): void {
    this.inHand = undefined
    this.#machine.apply('free')
    this.#hasten()
  }

  /**
   * Takes out of service a worker that cannot do its job: it is offered nothing more, and ends after its
   * active connection, by force if need be.
   *
   * @returns whether this is the first reason
   */
  condemn(reason: string): boolean {
    const isNews = this.#fitness.condemn(reason)
    this.expectEnd(reason)
    if (isNews) this.#worker?.send({ kind: 'retire' }, ignore)
    this.#hasten()
    return isNews
  }

  /** Ends the process once it has no connection in hand. */
  retire(cause: string): void {
    if (!this.#machine.accepts('retire')) return
    this.expectEnd(cause)
    this.#worker?.send({ kind: 'retire' }, ignore)
  }

  /** The process ends by itself, or may be ending: it is offered nothing more. */
  expectEnd(cause: string): void {
    if (this.#machine.accepts('retire')) this.#machine.apply('retire', cause)
  }

  /** Sends a message to the process, unless it is not ready yet. */
  tell(message: ToWorker): void {
    if (this.#readyAtMs !== undefined) this.#worker?.send(message, ignore)
  }

  /** Asks the process to drop its connection and exit. */
  terminate(): void {
    this.#worker?.send({ kind: 'terminate' }, ignore)
  }

  /** Kills the process; `reason` is what the log and a failed start report. */
  kill(reason: string): void {
    if (!this.#machine.accepts('kill')) return
    this.#machine.apply('kill', reason)
    this.#reason ??= reason
    this.#worker?.process.kill('SIGKILL')
  }

  /**
   * Kills the process unless it has claimed its connection, which only it can end well. It is stopped for that look:
   * otherwise it could claim between the look and its end, and a client would be lost that another worker can serve.
   */
  killUnlessReading(reason: string): void {
    const child = this.#worker?.process
    if (child?.pid === undefined) return
    child.kill('SIGSTOP')
    waitUntilStopped(child.pid)
    if (this.#isReading) child.kill('SIGCONT')
    else this.kill(reason)
  }

  /** Restarts the clocks that the watchdog reads. */
  resetClock(nowMs: number): void {
    this.lastSeenMs = nowMs
    this.movedAtMs = nowMs
    this.inHandSinceMs = nowMs
  }

  backOff(): void {
    this.#machine.apply('back-off')
  }

  /** Gives up waiting for the next start. */
  cancel(): void {
    if (this.#machine.accepts('cancel')) this.#machine.apply('cancel')
  }

  #fork(runDir: string): void {
    const failed = (failure: HelloserverError) => {
      this.#failure = failure
      this.#end(null, null)
    }
    const worker = forkWorker(
      `worker ${this.number}`,
      () => {
        this.#claims = new ClaimRegister(runDir)
        // stdin, stdout, stderr, Node's channel, the progress pipe, the claim register.
        return ['ignore', 'pipe', 'pipe', 'ipc', 'pipe', this.#claims.fd]
      },
      failed,
    )
    if (worker === undefined) return
    this.#worker = worker
    this.#listen(worker)
  }

  /** Kills a worker that is unfit and reads no connection, once its closing handshakes may be over. */
  #hasten(): void {
    const { reason } = this.#fitness
    if (reason === undefined || this.#isReading) return
    const graceMs = (this.config?.connection.lingerMs ?? 0) + endGraceMs
    this.#ending ??= setTimeout(() => {
      this.#ending = undefined
      this.killUnlessReading(reason)
    }, graceMs)
  }

  /** Whether it has claimed its connection in hand: then only this worker can end that well. */
  get #isReading(): boolean {
    return this.inHand !== undefined && this.hasClaimed(this.inHand)
  }

  #listen(worker: Worker): void {
    const { process: child } = worker
    this.#guardChannel(worker)
    this.#readProgress(worker)
    const { number, generation } = this
    const output = this.#listener.openOutput({ number, generation, pid: child.pid })
    child.stdout?.on('data', output.stdout)
    child.stderr?.on('data', (chunk: Buffer) => {
      // The runtime prints this just before it aborts; it is read before the end of the process is noticed.
      if (chunk.includes(noHeap)) this.#hadNoHeap = true
      if (chunk.includes(noThread)) this.#hadNoThread = true
      output.stderr(chunk)
    })
    child.on('message', (message) => {
      if (this.#worker === worker) this.#receive(message)
    })
    child.on('error', (error) => {
      this.#reason ??= error.message
    })
    onProcessEnd(child, child.stdio[progressFd] as Readable, (code, signal) => {
      if (this.#worker === worker) this.#end(code, signal)
    })
  }

  #guardChannel(worker: Worker): void {
    try {
      this.#guard = new ChannelGuard(worker.process, {
        // Such a worker may keep writing and never read: a connection that it has not claimed goes to others
        // at once.
        onFault: (reason) =>
          this.#listener.onUnfit(
            this,
            reason,
            this.inHand === undefined || this.#isReading ? 'retire' : 'kill',
          ),
        onNotReceived: () => this.#bounce(),
        onClosed: () => this.#outlives(worker, channelClosed),
      })
    } catch (error) {
      this.kill(messageOf(error))
    }
  }

  #readProgress(worker: Worker): void {
    const progress = worker.process.stdio[progressFd] as Readable
    const reader = new ProgressReader(
      (report) => this.#reported(report),
      () => this.#listener.onUnfit(this, 'its progress pipe has what is no report in it', 'retire'),
    )
    progress.on('data', (chunk: Buffer) => reader.push(chunk))
    progress.once('close', () => this.#outlives(worker, 'its progress pipe is closed'))
    this.#progress = progress
  }

  /**
   * One of the worker's channels to the primary has ended. That also happens when a process ends: only one
   * that lives on is unfit.
   */
  #outlives(worker: Worker, reason: string): void {
    if (this.#worker !== worker) return
    this.#listener.onLeaving(this, reason)
    setTimeout(() => {
      if (this.#worker === worker) this.#listener.onUnfit(this, reason, 'retire')
    }, exitGraceMs).unref()
  }

  /** Handles a report of the worker; returns whether it was to be expected. */
  #reported(report: Progress): boolean {
    const { inHand } = this
    if (inHand === undefined || inHand.id >>> 0 !== report.id) {
      // Settled already, by another message of the worker.
      return this.#fitness.lastId >>> 0 === report.id
    }
    if (report.step === 'missing') this.#strike('it cannot take what it is offered')
    else this.#fitness.clear()
    this.#listener.onProgress(this, report)
    return true
  }

  /** The offered socket has not arrived. */
  #bounce(): void {
    const { inHand } = this
    if (inHand === undefined) return
    this.#reported({ step: 'missing', reason: 'none', id: inHand.id >>> 0, ...uncounted })
  }

  #strike(reason: string): void {
    if (this.#fitness.strike()) this.#listener.onUnfit(this, reason, 'retire')
  }

  /** Compares the worker's view with what is known here: its reports may have been lost. */
  #compare({ inHand: held, last }: WorkerView): void {
    const connection = this.inHand
    if (connection === undefined || held === undefined) return
    if (held === connection.id) {
      this.#fitness.holds(held)
      if (this.#claims?.read() === held) return
      this.#listener.onUnfit(this, 'its claims do not reach the primary', 'retire')
    } else if (last?.id === connection.id && last.step !== 'missing') {
      // A miss may be that of an earlier offer: a connection that was missed is offered again.
      this.#afterReading(connection, () => {
        this.#strike('its reports do not reach the primary')
        this.#listener.onProgress(this, { ...last, id: last.id >>> 0 })
      })
    } else if (
      this.state === 'busy' &&
      !this.hasClaimed(connection) &&
      this.#fitness.ignores((this.config?.watchdog.heartbeatMs ?? 0) / 2)
    ) {
      this.#listener.onUnfit(this, 'it does not take what it is offered', 'kill')
    }
  }

  /**
   * Acts if a connection is still in hand once everything written before now has been read: the pipe is read
   * in the next turn.
   */
  #afterReading(connection: PendingConnection, act: () => void): void {
    const look = () => {
      if (this.inHand === connection) act()
    }
    setImmediate(() => setImmediate(look))
  }

  /**
   * The last connection that it has claimed, according to its register or itself. If the register has no number
   * in it, the app has overwritten it: the connection in hand may have been read, and must not be served twice.
   */
  get #claimedId(): number {
    const { heldId } = this.#fitness
    if (heldId !== 0 && heldId === this.inHand?.id) return heldId
    const claimed = this.#claims?.read() ?? 0
    return isCount(claimed) ? claimed : (this.inHand?.id ?? 0)
  }

  #receive(message: unknown): void {
    const decoded = decodeFromWorker(message)
    if (decoded === undefined) return
    this.lastSeenMs = performance.now()
    switch (decoded.kind) {
      case 'hello':
        if (decoded.protocol !== workerProtocol) {
          this.kill(
            `The worker on disk speaks protocol ${decoded.protocol}, this primary ${workerProtocol}: use "helloserver upgrade"`,
          )
          return
        }
        if (this.state === 'starting' && !this.#isTold) this.#tellBoot()
        return
      case 'ready':
        if (!this.#machine.accepts('ready')) return
        this.#machine.apply('ready')
        this.#readyAtMs = performance.now()
        this.#listener.onReady(this)
        return
      case 'boot-failed':
        this.#reason ??= decoded.reason
        return
      case 'leaving':
        if (decoded.unfit === undefined) this.#listener.onLeaving(this, 'it was told to end')
        else this.#listener.onUnfit(this, decoded.unfit, 'retire')
        return
      case 'heartbeat':
        this.rssBytes = decoded.rssBytes
        this.#compare(decoded)
        return
    }
  }

  #tellBoot(): void {
    this.#isTold = true
    if (this.#boot !== undefined) this.#worker?.send(this.#boot, ignore)
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    const lastStep = stepOfStatus(code)
    if (lastStep !== undefined) {
      this.#listener.onUnfit(this, channelClosed, 'retire')
    }
    clearTimeout(this.#ending)
    const end = {
      code,
      signal,
      failure: this.#failure ?? (signal === 'SIGABRT' ? this.#threadFailure() : undefined),
      reason: this.#reason,
      wasReady: this.#readyAtMs !== undefined,
      wasKilled: this.state === 'killing',
      hadNoHeap: this.#hadNoHeap && signal === 'SIGABRT',
      readyForMs: this.readyForMs,
      claimed: this.#claimedId,
      unfit: this.#fitness.reason,
      lastStep,
    }
    this.#guard?.close()
    this.#guard = undefined
    this.#progress?.destroy()
    this.#progress = undefined
    this.#claims?.close()
    this.#claims = undefined
    this.#worker = undefined
    this.#readyAtMs = undefined
    this.#machine.apply('exit')
    this.#listener.onEnd(this, end)
  }

  /** Near the limit there may be a process but no threads for its runtime: that is not the code's fault. */
  #threadFailure(): HelloserverError | undefined {
    if (!this.#hadNoThread || this.#readyAtMs !== undefined) return undefined
    return new HelloserverError(
      'CANNOT_SPAWN',
      `Cannot start worker ${this.number}: its runtime got no threads: ${processLimitHint}`,
    )
  }
}

/** The app has closed descriptor 3, or has disconnected. */
const channelClosed = 'its channel to the primary is closed'
/** How long a process may live on after its pipes have closed because it ends; in milliseconds. */
const exitGraceMs = 250
/** How much longer than its closing handshakes an unfit worker may take to end, in milliseconds. */
const endGraceMs = 1_000

/**
 * Printed by the runtime before it aborts because the system gives it no thread; pthread_create(3),
 * uv_thread_create.
 */
const noThread = 'thread_create'

/** Part of the last line that V8 prints (v8::internal::V8::FatalProcessOutOfMemory). */
const noHeap = 'JavaScript heap out of memory'

/** A failed send means a dying worker; its end is noticed anyway, with its connection in hand. */
const ignore = () => {}
