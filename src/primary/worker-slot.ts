import type { Worker } from 'node:cluster'
import type { Readable } from 'node:stream'
import type { Config } from '../config/load.ts'
import type { HelloserverError } from '../errors.ts'
import { ClaimRegister } from '../ipc/claim-register.ts'
import {
  decodeFromWorker,
  type ToWorker,
  type WorkerBoot,
  workerProtocol,
} from '../ipc/messages.ts'
import { ProgressReader, progressFd } from '../ipc/progress.ts'
import { sendHandle } from '../ipc/socket-handle.ts'
import { Machine } from '../lifecycle/machine.ts'
import type { Wear } from '../lifecycle/recycle.ts'
import { type SlotEvent, type SlotState, slotTransitions } from '../lifecycle/slot-states.ts'
import type { WorkerStatus } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { forkWorker } from './fork-worker.ts'
import { type PendingConnection, peerOf } from './pending-connection.ts'
import { onProcessEnd } from './process-end.ts'
import type { SlotListener } from './slot-listener.ts'

/** A place for one worker process; the processes in it come and go. */
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
  #readyAtMs: number | undefined
  #hadNoHeap = false
  /** What the worker was offered or has claimed. */
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
  #luck = 0

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

  /** The generation of its process; a slot may be handed from one to another. */
  get generation(): number {
    return this.#generation
  }

  /** What its process has behind it, for the recycling policy. */
  get wear(): Wear {
    const { readyForMs, rssBytes } = this
    return { served: this.served - this.#servedBefore, readyForMs, rssBytes, luck: this.#luck }
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
   * Starts a process in this slot and tells it what to be; `runDir` is where its claim register is made.
   * When that cannot be done, the slot ends as if its process had died, so that there is one way to deal with it.
   */
  spawn(boot: WorkerBoot, runDir: string): void {
    this.#machine.apply('spawn')
    this.#boot = boot
    this.#generation = boot.generation
    this.#servedBefore = this.served
    this.#luck = Math.random()
    this.#reason = undefined
    this.#failure = undefined
    this.#readyAtMs = undefined
    this.#hadNoHeap = false
    this.rssBytes = 0
    this.lastSeenMs = performance.now()
    this.#fork(runDir)
  }

  /** Sends a connection. The primary keeps its own copy of the socket until the connection has ended. */
  offer(connection: PendingConnection): void {
    this.#machine.apply('offer')
    this.inHand = connection
    this.inHandSinceMs = connection.offeredAtMs
    if (this.#worker !== undefined)
      sendHandle(this.#worker.process, connection.id, connection.handle, ignore)
  }

  /** Whether the worker has written down that it reads this connection. */
  hasClaimed({ id }: PendingConnection): boolean {
    return this.#claims?.read() === id
  }

  /** The connection in hand has ended. */
  free(): void {
    this.inHand = undefined
    this.#machine.apply('free')
  }

  /** Ends the process once it has nothing in hand. */
  retire(cause: string): void {
    if (!this.#machine.accepts('retire')) return
    this.#machine.apply('retire', cause)
    this.#worker?.send({ kind: 'retire' }, ignore)
  }

  /** Tells its process something; one that is not ready yet hears nothing. */
  tell(message: ToWorker): void {
    if (this.#readyAtMs !== undefined) this.#worker?.send(message, ignore)
  }

  /** Asks the process to drop what it has in hand and end. */
  terminate(): void {
    this.#worker?.send({ kind: 'terminate' }, ignore)
  }

  /** Ends the process now; `reason` is what the log and a failed start give. */
  kill(reason: string): void {
    if (!this.#machine.accepts('kill')) return
    this.#machine.apply('kill', reason)
    this.#reason ??= reason
    this.#worker?.process.kill('SIGKILL')
  }

  /** Starts the clocks that the watchdog looks at again. */
  excuse(nowMs: number): void {
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

  #listen(worker: Worker): void {
    const { process: child } = worker
    const progress = child.stdio[progressFd] as Readable
    const reader = new ProgressReader((report) => this.#listener.onProgress(this, report))
    progress.on('data', (chunk: Buffer) => reader.push(chunk))
    const { number, generation } = this
    const output = this.#listener.openOutput({ number, generation, pid: child.pid })
    child.stdout?.on('data', output.stdout)
    child.stderr?.on('data', (chunk: Buffer) => {
      // Said just before the runtime aborts itself, and read before the end of the process is heard of.
      if (chunk.includes(noHeap)) this.#hadNoHeap = true
      output.stderr(chunk)
    })
    child.on('message', (message) => {
      if (this.#worker === worker) this.#receive(message)
    })
    child.on('error', (error) => {
      this.#reason ??= error.message
    })
    const hasSpoken = () => this.#readyAtMs !== undefined
    onProcessEnd(child, progress, hasSpoken, (code, signal) => {
      if (this.#worker === worker) this.#end(code, signal)
    })
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
        if (this.#boot !== undefined) this.#worker?.send(this.#boot, ignore)
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
        this.#listener.onLeaving(this)
        return
      case 'heartbeat':
        this.rssBytes = decoded.rssBytes
        return
    }
  }

  #end(code: number | null, signal: NodeJS.Signals | null): void {
    const end = {
      code,
      signal,
      failure: this.#failure,
      reason: this.#reason,
      wasReady: this.#readyAtMs !== undefined,
      wasKilled: this.state === 'killing',
      hadNoHeap: this.#hadNoHeap && signal === 'SIGABRT',
      readyForMs: this.readyForMs,
      claimed: this.#claims?.read() ?? 0,
    }
    this.#claims?.close()
    this.#claims = undefined
    this.#worker = undefined
    this.#readyAtMs = undefined
    this.#machine.apply('exit')
    this.#listener.onEnd(this, end)
  }
}

/** A line of V8's that has this in it is its last (v8::internal::V8::FatalProcessOutOfMemory). */
const noHeap = 'JavaScript heap out of memory'

/** A failed send means a dying worker, whose end is heard of anyway, with what it had in hand. */
const ignore = () => {}
