import type { ChildProcess } from 'node:child_process'
import cluster, { type Worker } from 'node:cluster'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { WorkerLink } from '../connections/hand-off.ts'
import { HelloserverError, messageOf } from '../errors.ts'
import { ChannelGuard } from '../ipc/channel-guard.ts'
import { ClaimRegister } from '../ipc/claim-register.ts'
import { type Progress, ProgressReader, progressFd, stepOfStatus } from '../ipc/progress.ts'
import type { SocketHandle } from '../ipc/socket-handle.ts'
import {
  decodeFromWorker,
  type FromWorker,
  type Offer,
  type ToWorker,
  type Unsent,
  type WorkerBoot,
  workerProtocol,
} from '../ipc/worker-messages.ts'
import { debuggerArguments } from '../process/debugger.ts'
import { waitUntilStopped } from '../process/is-stopped.ts'
import { noThreads, watchThreads } from '../process/runtime-threads.ts'
import { startProcess } from '../process/start-process.ts'
import type { OutputSink, Printer } from '../telemetry/worker-output.ts'
import type { ProcessExit } from './worker-exit.ts'

/** The app has closed descriptor 3, or has disconnected. */
export const channelClosed = 'its channel to the primary is closed'

/** How long a process may live on after its pipes have closed because it ends; in milliseconds. */
const exitGraceMs = 250

/**
 * How many turns of the event loop may pass to read what a process had written when it exited: the first may
 * have been under way, and each of the others reads everything that the system has.
 */
const readingTurns = 4

/**
 * Printed by the runtime before it aborts because the system gives it no thread; pthread_create(3),
 * uv_thread_create.
 */
const noThread = 'thread_create'

/** Part of the last line that V8 prints (v8::internal::V8::FatalProcessOutOfMemory). */
const noHeap = 'JavaScript heap out of memory'

/** A failed send means a dying worker; its end is noticed anyway, and its connection with it. */
const ignore = () => {}

/**
 * How long after a socket could not be sent that is told, in milliseconds, so that nothing is tried without a pause: the
 * worker may be dying, or the system have too many descriptors on their way.
 */
const unsentAfterMs = 20

/** An event of a process, apart from its reports. */
export type ProcessEvent =
  | { readonly kind: 'message'; readonly message: FromWorker }
  /** The system did not send it the socket that it was offered. */
  | { readonly kind: 'unsent'; readonly unsent: Unsent }
  /** It wrote a foreign message into Node's channel; its further messages are ignored. */
  | { readonly kind: 'channel-fault'; readonly reason: string }
  /** It is alive, but has broken its progress pipe, or has closed that or the channel. */
  | { readonly kind: 'fault'; readonly reason: string }
  /** The pipe or the channel is closed, usually because the process is about to exit. */
  | { readonly kind: 'leaving'; readonly reason: string }
  /** It must be killed: this primary cannot work with it. */
  | { readonly kind: 'unusable'; readonly reason: string }
  /** It has ended, and everything that it had sent has been read; the last event. */
  | { readonly kind: 'exit'; readonly exit: ProcessExit }

/** Sets the program that worker processes run. */
export function forkWorkersFrom(workerModule: string): void {
  cluster.setupPrimary({
    exec: workerModule,
    args: [],
    execArgv: [...new Set([...process.execArgv, ...debuggerArguments])],
    // node:cluster gives each worker's debugger a port of its own by a further argument.
    inspectPort: 0,
  })
}

/**
 * The worker's program; if a deploy has removed its folder, the same program where the name by which this process
 * was started leads now.
 */
function programNow(program: string): string {
  if (existsSync(program)) return program
  const named = join(dirname(process.argv[1] ?? ''), basename(program))
  if (existsSync(named)) return named
  throw new Error(`${program} does not exist any more; deploy the service again, then reload it`)
}

/** One process of a worker, with its channel, its pipes and its claim register. */
export class WorkerProcess {
  readonly #boot: WorkerBoot
  readonly #runDir: string
  readonly #link: () => WorkerLink | undefined
  readonly #onEvent: (event: ProcessEvent) => void
  readonly #onReport: (report: Progress) => boolean
  #worker: Worker | undefined
  #claims: ClaimRegister | undefined
  #guard: ChannelGuard | undefined
  #progress: Readable | undefined
  #readyAtMs: number | undefined
  #reason: string | undefined
  #hasLink = false
  #hadNoHeap = false
  #hadNoThread = false
  #hasPrinted = false
  #lacksThreads = false
  #isTold = false
  #isClosed = false

  /**
   * @param boot - tells the process what to run
   * @param runDir - the folder in which its claim register is created
   * @param link - prepares what else it inherits for the hand-off, instead of a progress pipe and a claim register
   * @param onReport - receives reports from the progress pipe; returns whether such a report was to be expected
   */
  constructor(
    boot: WorkerBoot,
    runDir: string,
    link: () => WorkerLink | undefined,
    onEvent: (event: ProcessEvent) => void,
    onReport: (report: Progress) => boolean,
  ) {
    this.#boot = boot
    this.#runDir = runDir
    this.#link = link
    this.#onEvent = onEvent
    this.#onReport = onReport
  }

  /**
   * Starts it. If there can be no process, the event is the same as when one has died, so that both cases are handled
   * in one way.
   */
  start(openOutput: (printer: Printer) => OutputSink): void {
    const worker = this.#fork()
    if (worker === undefined) return
    this.#worker = worker
    const child = worker.process
    this.#guardChannel(child)
    this.#readProgress(child)
    const { slot: number, generation } = this.#boot
    this.#readOutput(child, openOutput({ number, generation, pid: child.pid }))
    child.on('message', (message) => {
      if (!this.#isClosed) this.#receive(message)
    })
    child.on('error', (error) => {
      this.#reason ??= error.message
    })
    child.once('exit', (code, signal) => this.#afterReading(child, () => this.#exit(code, signal)))
    watchThreads(
      () => child.pid,
      () => {
        this.#lacksThreads = true
        this.kill('its runtime got too few threads')
      },
    )
  }

  get pid(): number | undefined {
    return this.#worker?.process.pid
  }

  /** How long it has been ready, in milliseconds; 0 while it is not. */
  get readyForMs(): number {
    return this.#readyAtMs === undefined ? 0 : performance.now() - this.#readyAtMs
  }

  /**
   * The number in its claim register: the id of the connection that it has claimed last, unless the app wrote it.
   * Undefined when it has no register, since it takes connections by itself: it has claimed what it has in hand.
   */
  get claim(): number | undefined {
    return this.#hasLink ? undefined : (this.#claims?.read() ?? 0)
  }

  /** The process has reported that it is ready. */
  markReady(): void {
    this.#readyAtMs = performance.now()
  }

  send(message: ToWorker): void {
    this.#worker?.send(message, ignore)
  }

  /** Sends a message unless the process is not ready yet. */
  tell(message: ToWorker): void {
    if (this.#readyAtMs !== undefined) this.send(message)
  }

  /** Sends a copy of a socket. */
  sendSocket(offer: Offer, handle: SocketHandle): void {
    this.#guard?.offer(offer, handle)
  }

  /** @param reason - reported unless the process itself has given one */
  kill(reason: string): void {
    this.#reason ??= reason
    this.#worker?.process.kill('SIGKILL')
  }

  /** Stops it until `continue` is called; returns once it does nothing more. False when there is no process. */
  pause(): boolean {
    const { pid } = this
    if (pid === undefined) return false
    this.#worker?.process.kill('SIGSTOP')
    waitUntilStopped(pid)
    return true
  }

  continue(): void {
    this.#worker?.process.kill('SIGCONT')
  }

  /** Closes the primary's ends of everything that was shared with the process; it has ended. */
  close(): void {
    this.#isClosed = true
    this.#guard?.close()
    this.#progress?.destroy()
    this.#claims?.close()
  }

  #fork(): Worker | undefined {
    let worker: Worker | undefined
    const fork = (): ChildProcess => {
      // stdin, stdout, stderr, Node's channel; the rest depends on the hand-off.
      cluster.setupPrimary({
        stdio: ['ignore', 'pipe', 'pipe', 'ipc', ...this.#handOffDescriptors()],
        exec: programNow(cluster.settings.exec ?? ''),
      })
      const forked = cluster.fork()
      // It repeats the errors of its process, which has a listener of its own.
      forked.on('error', ignore)
      // node:cluster forgets a worker when its process exits, but without descriptors there was no process.
      if (forked.process.pid === undefined) delete cluster.workers?.[forked.id]
      worker = forked
      return forked.process
    }
    const started = startProcess(`worker ${this.#boot.slot}`, fork, (failure) =>
      this.#exit(null, null, failure),
    )
    return started === undefined ? undefined : worker
  }

  #handOffDescriptors(): readonly ('pipe' | number)[] {
    const link = this.#link()
    this.#hasLink = link !== undefined
    if (link !== undefined) return link.fds
    this.#claims = new ClaimRegister(this.#runDir)
    return ['pipe', this.#claims.fd]
  }

  #guardChannel(child: ChildProcess): void {
    try {
      this.#guard = new ChannelGuard(child, {
        onFault: (reason) => this.#onEvent({ kind: 'channel-fault', reason }),
        onUnsent: (unsent) => setTimeout(() => this.#tellUnsent(unsent), unsentAfterMs).unref(),
        onClosed: () => this.#outlives(channelClosed),
      })
    } catch (error) {
      this.#onEvent({ kind: 'unusable', reason: messageOf(error) })
    }
  }

  #tellUnsent(unsent: Unsent): void {
    if (!this.#isClosed) this.#onEvent({ kind: 'unsent', unsent })
  }

  #readProgress(child: ChildProcess): void {
    if (this.#hasLink) return
    const progress = child.stdio[progressFd] as Readable
    const reader = new ProgressReader(this.#onReport, () =>
      this.#onEvent({ kind: 'fault', reason: 'it wrote invalid data into its progress pipe' }),
    )
    progress.on('data', (chunk: Buffer) => reader.push(chunk))
    progress.once('close', () => this.#outlives('its progress pipe is closed'))
    this.#progress = progress
  }

  #readOutput(child: ChildProcess, output: OutputSink): void {
    child.stdout?.on('data', output.stdout)
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#hasPrinted = true
      // The runtime prints this just before it aborts; it is read before the end of the process is noticed.
      if (chunk.includes(noHeap)) this.#hadNoHeap = true
      if (chunk.includes(noThread)) this.#hadNoThread = true
      output.stderr(chunk)
    })
  }

  /**
   * One of the worker's channels to the primary has ended. That also happens when a process ends: only one
   * that lives on is at fault.
   */
  #outlives(reason: string): void {
    if (this.#isClosed) return
    this.#onEvent({ kind: 'leaving', reason })
    setTimeout(() => {
      if (!this.#isClosed) this.#onEvent({ kind: 'fault', reason })
    }, exitGraceMs).unref()
  }

  #receive(value: unknown): void {
    const message = decodeFromWorker(value)
    if (message === undefined) return
    if (message.kind === 'hello') this.#answer(message.protocol)
    else if (message.kind === 'boot-failed') this.#reason ??= message.reason
    this.#onEvent({ kind: 'message', message })
  }

  /** The worker listens: tells it, once, what to run. */
  #answer(protocol: number): void {
    if (protocol !== workerProtocol) {
      const reason = `The worker on disk speaks protocol ${protocol}, this primary ${workerProtocol}: use "helloserver upgrade"`
      this.#onEvent({ kind: 'unusable', reason })
    } else if (!this.#isTold) {
      this.#isTold = true
      this.send(this.#boot)
    }
  }

  /**
   * Acts once everything is read that the process had written to its channel and its progress pipe when it exited.
   * It does not wait for these two to end: a child of the app may hold them as long as it likes.
   */
  #afterReading(child: ChildProcess, act: () => void): void {
    const check = (turnsLeft: number) => {
      const isRead = this.#progress?.closed !== false && !child.connected
      if (isRead || turnsLeft === 0) act()
      else setImmediate(check, turnsLeft - 1)
    }
    check(readingTurns)
  }

  #exit(code: number | null, signal: NodeJS.Signals | null, failure?: HelloserverError): void {
    const wasReady = this.#readyAtMs !== undefined
    // Near the limit there may be a process but no threads for its runtime: that is not the code's fault. Only libuv,
    // for its pool, aborts without a word.
    const isThreadsAbort = signal === 'SIGABRT' && (this.#hadNoThread || !this.#hasPrinted)
    const hadNoThread = !wasReady && (this.#lacksThreads || isThreadsAbort)
    const exit = {
      code,
      signal,
      failure: failure ?? (hadNoThread ? noThreads(`worker ${this.#boot.slot}`) : undefined),
      reason: this.#reason,
      wasReady,
      readyForMs: this.readyForMs,
      hadNoHeap: this.#hadNoHeap && signal === 'SIGABRT',
      lastStep: stepOfStatus(code),
    }
    this.#onEvent({ kind: 'exit', exit })
  }
}
