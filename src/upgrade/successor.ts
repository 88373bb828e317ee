import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { cleanEnvironment, type Environment } from '../config/environment.ts'
import type { RunFiles } from '../config/run-dir.ts'
import { debuggerArguments } from '../debugger.ts'
import { deferred } from '../deferred.ts'
import { type ErrorCode, HelloserverError } from '../errors.ts'
import { startProcess } from '../start-process.ts'
import { openLog } from '../telemetry/open-log.ts'
import { type ListeningHandle, type SocketHandle, sendHandle } from '../ipc/socket-handle.ts'
import type { Hold } from '../lease/lease.ts'
import {
  type FromSuccessor,
  type Inheritance,
  type Tally,
  type ToSuccessor,
  upgradeProtocol,
} from './messages.ts'

/** What is to run, and where. */
export interface SuccessorOptions {
  readonly files: RunFiles
  /** The locked lock file, if this process holds it. */
  readonly lockFd: number | undefined
  /** The program to run, an absolute path. */
  readonly program: string
  readonly environment: Environment
  /** How long it may take until it serves, in milliseconds. */
  readonly withinMs: number
}

/** What it takes over when it is ready to. */
export interface Estate {
  /** The lock of releases up to 0.1; undefined where a stranger has its name. */
  readonly lock: ListeningHandle | undefined
  /** The listening socket; undefined for a service that stands by. */
  readonly place: OwnedListener | undefined
  /** The lease, as it is when the word is given. */
  readonly hold: () => Hold | null
}

interface OwnedListener {
  readonly listener: ListeningHandle
  readonly host: string
  readonly port: number
  readonly boundPort: number
}

/** What became of a connection that was passed on: `lost` with the process that it was passed to. */
export type Passed = 'adopted' | 'missing' | 'lost'

/**
 * The process that takes the service over, as the primary that it succeeds sees it.
 *
 * Until it serves it can fail in any way, and is killed then: nothing has changed.
 */
export class Successor {
  /** Undefined when it could not be started. */
  readonly #child: ChildProcess | undefined
  readonly #deadline: NodeJS.Timeout
  readonly #ended = deferred<void>()
  readonly #steps = new Map<FromSuccessor['kind'], () => void>()
  #failure: HelloserverError | undefined
  #fail: (reason: HelloserverError) => void = () => {}
  #passed: (outcome: Passed) => void = () => {}
  #onEnd: (withinMs: number) => void = () => {}

  constructor(options: SuccessorOptions) {
    const { files, withinMs } = options
    this.#child = startProcess(
      'the successor',
      () => spawnSuccessor(options),
      (error) => this.#give(error.message, error.code),
    )
    this.#child?.on('message', (message) => this.#receive(message as FromSuccessor))
    this.#child?.on('error', (error) =>
      this.#give(`The successor is out of reach: ${error.message}`, 'RELOAD_FAILED'),
    )
    if (this.#child === undefined) this.#ended.resolve()
    this.#child?.once('exit', (status, signal) => {
      this.#ended.resolve()
      this.#give(
        `The successor ended before it served (${signal ?? `status ${status}`}); see ${files.logFile}`,
      )
      // Node calls nobody back for what is still to be sent.
      this.#passed('lost')
    })
    this.#deadline = setTimeout(
      () => this.#give(`The successor was not ready within ${withinMs} ms`),
      withinMs,
    )
  }

  /** Its process; 0 when it has not come into being. */
  get pid(): number {
    return this.#child?.pid ?? 0
  }

  /** Resolves when its process has ended. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  /**
   * Has it bring its workers up; resolves when they are ready.
   *
   * @throws HelloserverError `BOOT_FAILED` or what else kept it from that
   */
  async prepare(inheritance: Inheritance): Promise<void> {
    await this.#until('hello')
    void this.#tell({ kind: 'begin', ...inheritance })
    await this.#until('prepared')
  }

  /**
   * Gives it copies of what makes a process the service; resolves when it serves.
   *
   * @throws HelloserverError `BOOT_FAILED` or what else kept it from that
   */
  async takeOver({ lock, place, hold }: Estate): Promise<void> {
    if (lock === undefined) void this.#tell({ kind: 'lock' })
    else this.#send({ kind: 'lock' }, lock)
    if (place === undefined) void this.#tell({ kind: 'no-listener' })
    else {
      const { listener, ...where } = place
      this.#send({ kind: 'listener', ...where }, listener)
    }
    await this.#until('holding')
    // It may serve from here on, and only its end says that it does not.
    clearTimeout(this.#deadline)
    void this.#tell({ kind: 'go', hold: hold() })
    await this.#until('serving')
  }

  /** Passes a client on, one at a time; until it is adopted, this process's own copy of the socket is the one that counts. */
  pass(id: number, ageMs: number, handle: SocketHandle): Promise<Passed> {
    const child = this.#child
    if (child?.connected !== true) return Promise.resolve('lost')
    return new Promise((resolve) => {
      this.#passed = resolve
      sendHandle(child, { kind: 'connection', id, ageMs }, handle, ignore)
    })
  }

  /** Resolves when it is sent, and everything before it: until then this process must not end. */
  report(tally: Tally): Promise<void> {
    return this.#tell({ kind: 'tally', ...tally })
  }

  /** Calls `act` when the service is to end before this process has. */
  onEnd(act: (withinMs: number) => void): void {
    this.#onEnd = act
  }

  /** Ends it, workers included (they end when they lose it); resolves when it has ended. */
  async kill(): Promise<void> {
    clearTimeout(this.#deadline)
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }

  #until(step: FromSuccessor['kind']): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) reject(this.#failure)
      this.#fail = reject
      this.#steps.set(step, resolve)
    })
  }

  #receive(message: FromSuccessor): void {
    switch (message.kind) {
      case 'failed':
        this.#give(`The successor failed: ${message.message}`, message.code ?? 'RELOAD_FAILED')
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
          this.#give(
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

  /** The first reason is the one that counts. Unless the code says otherwise, what was started could not get ready. */
  #give(reason: string, code: ErrorCode = 'BOOT_FAILED'): void {
    this.#failure ??= new HelloserverError(code, reason)
    this.#fail(this.#failure)
  }

  async #tell(message: ToSuccessor): Promise<void> {
    const child = this.#child
    if (child?.connected !== true) return
    await new Promise<void>((resolve) => {
      child.send(message, () => resolve())
    })
  }

  #send(message: ToSuccessor, handle: ListeningHandle): void {
    if (this.#child !== undefined) sendHandle(this.#child, message, handle, ignore)
  }
}

/** In a session of its own from the start, and with init for a parent once this process has ended. */
function spawnSuccessor({ files, lockFd, program, environment }: SuccessorOptions): ChildProcess {
  const log = openLog(files.logFile)
  try {
    const args = [...debuggerArguments, program, '--successor', '--name', files.name]
    return spawn(process.execPath, args, {
      cwd: '/',
      env: cleanEnvironment(environment),
      detached: true,
      // The lock as stdin, which no child of the successor's own inherits; see `PidLock.adopt`.
      stdio: [lockFd ?? 'ignore', log, log, 'ipc'],
    })
  } finally {
    closeSync(log)
  }
}

/** A message that cannot be sent means a process that has ended, which is heard of anyway. */
const ignore = () => {}
