import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { deferred } from '../async/deferred.ts'
import type { Environment } from '../config/environment.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { PendingConnection } from '../connections/pending-connection.ts'
import { type ErrorCode, HelloserverError } from '../errors.ts'
import {
  type BoundListener,
  type ListeningHandle,
  type SocketHandle,
  sendHandle,
} from '../ipc/socket-handle.ts'
import type { Hold } from '../lease/lease.ts'
import { debuggerArguments } from '../process/debugger.ts'
import { isRunning } from '../process/is-running.ts'
import { causesOfSignal, noThreads, watchThreads } from '../process/runtime-threads.ts'
import { startProcess } from '../process/start-process.ts'
import { openLog } from '../telemetry/open-log.ts'
import {
  type FromSuccessor,
  type HandoverState,
  type Tally,
  type ToSuccessor,
  upgradeProtocol,
} from './upgrade-messages.ts'

/** The successor's program and environment, and how it is started. */
export interface SuccessorOptions {
  readonly files: RunFiles
  /** Descriptor of the locked lock file, if this process holds it. */
  readonly lockFd: number | undefined
  /** Absolute path of the program to run. */
  readonly program: string
  readonly environment: Environment
  /** How long a worker may take to become ready, in milliseconds: `reload.readyTimeoutMs`. */
  readonly readyTimeoutMs: number
}

/** The successor's deadline up to `hello`, and again from there up to `holding`, as a multiple of a worker's. */
const patience = 2

/** How long to wait for the end of a killed process, in milliseconds: one that waits for a disk ends later. */
const killWithinMs = 2_000

/**
 * The outcome for a connection that was passed on: `lost` with the successor, which died, or `hung` because it
 * hangs.
 */
export type Passed = 'adopted' | 'missing' | 'lost' | 'hung'

/**
 * The process that takes over the service, as seen by the primary that it succeeds.
 *
 * Until this process has read `serving`, the successor may fail in any way and is then killed: nothing has
 * changed. From then on it is the service, whatever happens to it. Each step has a deadline, so a successor
 * that hangs cannot hold this process up.
 */
export class Successor {
  /** Undefined when it could not be started. */
  readonly #child: ChildProcess | undefined
  readonly #ended = deferred<void>()
  readonly #stepWithinMs: number
  #deadline: NodeJS.Timeout | undefined
  readonly #steps = new Map<FromSuccessor['kind'], () => void>()
  #failure: HelloserverError | undefined
  #reject: (reason: HelloserverError) => void = () => {}
  #hangs = false
  #passed: (outcome: Passed) => void = () => {}
  #onEnd: (withinMs: number) => void = () => {}

  constructor(options: SuccessorOptions) {
    const { files, readyTimeoutMs } = options
    this.#stepWithinMs = readyTimeoutMs
    this.#child = startProcess(
      'the successor',
      () => spawnSuccessor(options),
      (error) => this.#fail(error.message, error.code),
    )
    this.#child?.on('message', (message) => this.#receive(message as FromSuccessor))
    this.#child?.on('error', (error) =>
      this.#fail(`The successor is out of reach: ${error.message}`, 'RELOAD_FAILED'),
    )
    if (this.#child === undefined) this.#ended.resolve()
    this.#child?.once('exit', (status, signal) => {
      this.#ended.resolve()
      const where = signal === null ? `see ${files.logFile}` : causesOfSignal(files.logFile)
      this.#fail(`The successor ended before it served (${signal ?? `status ${status}`}); ${where}`)
      // Node never calls back for messages that are still unsent.
      this.#passed('lost')
    })
    this.#expect('was not ready', patience * readyTimeoutMs)
    watchThreads(
      () => this.#child?.pid,
      () => {
        const { message, code } = noThreads('the successor')
        this.#fail(message, code)
      },
    )
  }

  /** The PID of its process; 0 when it could not be started. */
  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Resolves when its process has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /**
   * Has the successor bring up its workers; resolves when they are ready.
   *
   * @throws HelloserverError `BOOT_FAILED`, or the code of what prevented it
   */
  async prepare(state: HandoverState): Promise<void> {
    await this.#until('hello')
    // Its workers have their own deadline, half as long, so what they report about themselves arrives first.
    this.#expect('was not ready', patience * this.#stepWithinMs)
    void this.#tell({ kind: 'begin', ...state })
    await this.#until('prepared')
  }

  /**
   * Gives the successor copies of everything that makes a process the service; resolves when it holds them and
   * waits for `go`.
   *
   * @param lock - the lock of releases up to 0.1; undefined when a stranger has its name
   * @param listeners - the listening sockets; none when the service stands by
   * @throws HelloserverError `BOOT_FAILED`, or the code of what prevented it
   */
  async equip(
    lock: ListeningHandle | undefined,
    listeners: readonly BoundListener[],
  ): Promise<void> {
    if (lock === undefined) void this.#tell({ kind: 'lock' })
    else this.#send({ kind: 'lock' }, lock)
    if (listeners.length === 0) void this.#tell({ kind: 'no-listener' })
    for (const [at, { handle, ...endpoint }] of listeners.entries()) {
      this.#send({ kind: 'listener', ...endpoint, following: listeners.length - at - 1 }, handle)
    }
    await this.#until('holding')
  }

  /**
   * Tells the successor to serve; resolves when it does, in the turn that has read its answer.
   *
   * @param hold - the lease; null when the service does not hold one
   * @param isBridgeExpected - whether a supervisor is restarting its bridge at this moment
   * @throws HelloserverError `BOOT_FAILED` when it does not report that in time, or has died
   */
  async go(hold: Hold | null, isBridgeExpected: boolean): Promise<void> {
    this.#expect('had everything and did not serve', this.#stepWithinMs)
    void this.#tell({ kind: 'go', hold, isBridgeExpected })
    await this.#until('serving')
    clearTimeout(this.#deadline)
  }

  /** Passes on one client at a time; until it is adopted, this process's own copy of the socket counts. */
  pass({ id, acceptedAtMs, handle, endpoint, preface }: PendingConnection): Promise<Passed> {
    const child = this.#child
    if (child?.connected !== true || this.#hangs) return Promise.resolve('lost')
    return new Promise((resolve) => {
      let isOpen = true
      const judge = () => {
        if (!isOpen) return
        this.#hangs = true
        this.#passed('hung')
      }
      // If this process was paused, an answer may have arrived without being read: read first, judge after.
      const timer = setTimeout(() => setImmediate(judge), this.#stepWithinMs)
      this.#passed = (outcome) => {
        isOpen = false
        clearTimeout(timer)
        resolve(outcome)
      }
      const ageMs = performance.now() - acceptedAtMs
      const { settings } = endpoint
      const read = preface?.toString('base64')
      this.#send({ kind: 'connection', id, ageMs, settings, preface: read }, handle)
    })
  }

  /**
   * Resolves when this report and everything before it is sent: until then this process must not end. A
   * successor that reads nothing is given no longer than one step.
   */
  async report(tally: Tally): Promise<void> {
    const waiting = new AbortController()
    const late = delay(this.#stepWithinMs, undefined, { signal: waiting.signal }).catch(() => {})
    await Promise.race([this.#tell({ kind: 'tally', ...tally }), this.#ended.promise, late])
    waiting.abort()
  }

  /**
   * Sends the successor a signal; false when it has ended. Never signals another process that has its number by now.
   */
  signal(signal: NodeJS.Signals): boolean {
    const child = this.#child
    // kill(2) succeeds for a process that has ended and was not waited for yet.
    if (child?.pid === undefined || !isRunning(child.pid)) return false
    return child.kill(signal)
  }

  /** Has `act` called when the service is to end before this process has ended. */
  onEnd(act: (withinMs: number) => void): void {
    this.#onEnd = act
  }

  /**
   * Kills the successor, whose workers end when they lose it; resolves when it has ended, or after `killWithinMs`.
   */
  async kill(): Promise<void> {
    clearTimeout(this.#deadline)
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await Promise.race([this.#ended.promise, delay(killWithinMs)])
  }

  /** Sets the deadline of the current step. */
  #expect(failure: string, withinMs: number): void {
    clearTimeout(this.#deadline)
    const late = () => this.#fail(`The successor ${failure} within ${withinMs} ms`)
    this.#deadline = setTimeout(late, withinMs)
  }

  #until(step: FromSuccessor['kind']): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure)
      this.#reject = reject
      this.#steps.set(step, resolve)
    })
  }

  #receive(message: FromSuccessor): void {
    switch (message.kind) {
      case 'failed':
        this.#fail(`The successor failed: ${message.message}`, message.code ?? 'RELOAD_FAILED')
        return
      case 'end':
        this.#onEnd(message.withinMs)
        return
      case 'adopted':
      case 'missing':
        this.#passed(message.kind)
        return
      case 'hello':
        if (message.protocol !== upgradeProtocol) {
          this.#fail(
            `The build on disk (${message.version}) speaks upgrade protocol ${message.protocol}, this one ${upgradeProtocol}; use "helloserver restart"`,
            'RELOAD_FAILED',
          )
          return
        }
        break
      case 'prepared':
      case 'holding':
      case 'serving':
        break
    }
    this.#steps.get(message.kind)?.()
  }

  /** Keeps only the first reason. Unless the code says otherwise, the successor could not become ready. */
  #fail(reason: string, code: ErrorCode = 'BOOT_FAILED'): void {
    this.#failure ??= new HelloserverError(code, reason)
    this.#reject(this.#failure)
  }

  async #tell(message: ToSuccessor): Promise<void> {
    const child = this.#child
    if (child?.connected !== true) return
    await new Promise<void>((resolve) => {
      child.send(message, () => resolve())
    })
  }

  #send(message: ToSuccessor, handle: ListeningHandle | SocketHandle): void {
    if (this.#child !== undefined) sendHandle(this.#child, message, handle, ignore)
  }
}

/** Starts it in a session of its own; its parent becomes init once this process has ended. */
function spawnSuccessor({ files, lockFd, program, environment }: SuccessorOptions): ChildProcess {
  const log = openLog(files.logFile)
  try {
    const args = [...debuggerArguments, program, '--successor', '--name', files.name]
    return spawn(process.execPath, args, {
      cwd: '/',
      env: environment,
      detached: true,
      // The lock is stdin, which the successor's own children do not inherit; see `PidLock.adopt`.
      stdio: [lockFd ?? 'ignore', log, log, 'ipc'],
    })
  } finally {
    closeSync(log)
  }
}

/** If a message cannot be sent, the process has ended, which is noticed anyway. */
const ignore = () => {}
