import cluster from 'node:cluster'
import { lstatSync } from 'node:fs'
import { appError, loadApp } from '../app/load-app.ts'
import { systemClock } from '../clock.ts'
import { type Environment, ownEnvironment } from '../config/environment.ts'
import { runFiles } from '../config/run-dir.ts'
import { messageOf } from '../errors.ts'
import { identityOf } from '../files/file-identity.ts'
import { channelOf } from '../ipc/channel-handle.ts'
import { ClaimWriter, claimFd, claimsLost } from '../ipc/claim-register.ts'
import { receiveOffers } from '../ipc/offer-channel.ts'
import { ProgressWriter, progressFd, statusOfStep, uncounted } from '../ipc/progress.ts'
import { needStreams, type StreamHandle } from '../ipc/stream-handle.ts'
import {
  decodeToWorker,
  type FromWorker,
  isOffer,
  type Offer,
  type WorkerBoot,
  workerProtocol,
} from '../ipc/worker-messages.ts'
import { loadNative, type NativeModule } from '../native/native.ts'
import { residentMemory } from '../process/resident-memory.ts'
import { listenersIn } from '../rescue/legacy.ts'
import { createLogger, type Logger, standardOutput } from '../telemetry/logger.ts'
import { Worker } from './connection-worker.ts'
import type { Handler, Intake } from './intake.ts'
import { inherited, NativeIntake } from './native-intake.ts'
import { Offers } from './offers.ts'
import { Orphanhood } from './orphanhood.ts'

/**
 * How often to look whether the primary has ended after its channel has, and how long: the system closes the channel
 * first. If the primary lives on, the app has closed the channel. In milliseconds.
 */
const lookAfterPrimary = { everyMs: 10, forMs: 250 } as const

/** How long a teardown may take when no primary watches it, in milliseconds. */
const teardownGraceMs = 1_000

/**
 * The channel to the primary, before any code of the app has run. An app may close its descriptor, and a client's socket
 * get the number: what is said to the primary must not reach that client.
 */
const channelFd = 3
const channel = identityOf(channelFd)

/** Starts another primary of the service, as this one was started. */
type LaunchPrimary = (service: string, environment: Environment) => Promise<void>

/**
 * The process of a worker: its first message brings its configuration; then it handles one connection at a time, until
 * its primary tells it to end, or is gone.
 */
export class WorkerProgram {
  readonly #exit: (status: number) => void
  readonly #launchPrimary: LaunchPrimary
  #log: Logger | undefined
  #worker: Worker | undefined
  /** One of them, depending on the hand-off. */
  #offers: Offers | undefined
  #queue: NativeIntake | undefined
  /** Where `#offers` claims. */
  #claims: ClaimWriter | undefined
  #orphanhood: Orphanhood | undefined
  readonly #primaryPid = process.ppid
  #isUnheard = false
  #isLeaving = false
  /** Resident memory at the last heartbeat. */
  #rssBytes = 0
  /** How long a worker may take without a primary, in milliseconds: for its last connection, and to exit after it. */
  #patienceMs = { connection: 0, end: 0 }

  /**
   * @param exit - ends this process at once, whatever is still open in it
   * @param launchPrimary - starts a primary as a daemon; throws why there is none
   */
  constructor(exit: (status: number) => void, launchPrimary: LaunchPrimary) {
    this.#exit = exit
    this.#launchPrimary = launchPrimary
  }

  /** Begins to listen to the primary. */
  start(): void {
    // node:cluster ends a worker at once when its primary is gone; ours first finishes its active connection.
    if (cluster.worker !== undefined) cluster.worker.exitedAfterDisconnect = true
    process.on('disconnect', () => this.#endUnheard('the primary is gone'))
    process.on('uncaughtException', (error) => this.#die('Uncaught exception', error))
    // The primary may close its end first; then the app's output is not read any more.
    process.stdout.on('error', () => {})
    process.stderr.on('error', () => {})
    process.on('message', (message) => {
      if (isOffer(message)) this.#receiveClient(message, undefined)
      else this.#receive(message)
    })
    process.on('SIGTERM', () => {
      this.#tell({ kind: 'leaving' })
      void this.#leave('SIGTERM')
    })
    this.#tell({ kind: 'hello', protocol: workerProtocol })
  }

  #receive(message: unknown): void {
    const decoded = decodeToWorker(message)
    if (decoded === undefined) return
    switch (decoded.kind) {
      case 'boot':
        void this.#boot(decoded)
        return
      case 'lease':
        this.#worker?.hold(decoded)
        return
      case 'admit':
        this.#queue?.admit()
        return
      case 'endpoints':
        this.#offers?.serveFrom(decoded.endpoints)
        this.#queue?.serveFrom(decoded.endpoints)
        return
      case 'retire':
        this.#retire(decoded.afterQueue)
        return
      case 'ending':
        this.#orphanhood = undefined
        return
      case 'log-level':
        if (this.#log !== undefined) this.#log.level = decoded.level
        return
      case 'terminate':
        this.#worker?.terminate()
        // The handler's own clean-up runs first, in this turn.
        setImmediate(() => this.#exit(0))
        return
    }
  }

  async #boot(message: WorkerBoot): Promise<void> {
    const { service, slot, generation, config } = message
    const { connection, watchdog } = config
    const { deadlineMs, lingerMs } = connection
    this.#patienceMs = {
      connection: deadlineMs + watchdog.hungAfterMs,
      end: lingerMs + teardownGraceMs,
    }
    process.title = `${service}: worker ${slot}, generation ${generation}`
    this.#log = createLogger(
      { service, role: 'worker', slot, generation },
      config.logLevel,
      standardOutput(),
    )
    const context = {
      service,
      slot,
      generation,
      directory: config.directory,
      settings: config.app,
      lease: null,
      log: this.#log,
    }
    try {
      // The app's code may do anything to descriptors, and to the environment.
      const openIntake = this.#prepareIntake(message, this.#log)
      const app = await loadApp(config.appModule)
      try {
        await app.setup?.(context)
      } catch (error) {
        throw appError(`The app ${config.appModule} failed in setup`, error)
      }
      this.#worker = new Worker(app, context, message, openIntake)
    } catch (error) {
      this.#tell({ kind: 'boot-failed', reason: messageOf(error) }, () => this.#exit(1))
      return
    }
    setInterval(() => this.#heartbeat(), watchdog.heartbeatMs).unref()
    this.#heartbeat()
    this.#tell({ kind: 'ready' })
  }

  #prepareIntake(boot: WorkerBoot, log: Logger): (handler: Handler) => Intake {
    const { handOff, endpoints, config } = boot
    const { connection } = config
    if (handOff === 'native') {
      const native = nativeModule()
      const findListeners = () => listenersIn(native, inherited.legacy)
      const queue = new NativeIntake(native, connection, endpoints, findListeners, (reason) =>
        this.#leaveUnfit(reason),
      )
      this.#queue = queue
      this.#prepareOrphanhood(boot, queue)
      return (handler) => queue.serve(handler)
    }
    needStreams()
    receiveOffers(channelOf(process), (offer, handle) => this.#receiveClient(offer, handle))
    const claims = new ClaimWriter(claimFd)
    this.#claims = claims
    const channels = {
      claims,
      progress: new ProgressWriter(progressFd),
      onUnreported: () => this.#heartbeat(),
    }
    return (handler) => {
      this.#offers = new Offers(handler, connection, endpoints, channels, log, systemClock)
      return this.#offers
    }
  }

  #prepareOrphanhood(
    { service, slot, generation, config, startsPrimary }: WorkerBoot,
    queue: NativeIntake,
  ): void {
    if (config.rescue.waitMs === 0) return
    const environment = ownEnvironment()
    const launch = () => this.#launchPrimary(service, environment)
    this.#orphanhood = new Orphanhood(
      {
        native: nativeModule(),
        fds: inherited,
        identity: { slot, generation },
        settings: config.rescue,
        canBeFound: () => isSocket(runFiles(service, environment).rescueFile),
        launch: startsPrimary ? launch : undefined,
      },
      {
        onLook: () => queue.look(),
        onMessage: (one) => this.#receive(one),
        onGivenUp: () => this.#leaveUnheard('no other primary has come'),
      },
    )
  }

  /** Reports that the event loop is running, and the state of this worker's connections. */
  #heartbeat(): void {
    try {
      this.#rssBytes = residentMemory() ?? 0
      this.#beat((error) => {
        if (error !== null) this.#endUnheard(`the channel is closed: ${error.message}`)
      })
    } catch (error) {
      // The app has used up every descriptor: no connection can reach this process any more.
      this.#log?.error({ error }, 'Out of file descriptors; ending after the active connection')
      this.#leaveUnfit(messageOf(error))
    }
    // Otherwise a connection could be offered again that this process has begun to read.
    if (this.#claims?.isIntact === false && !this.#isLeaving) this.#leaveUnfit(claimsLost)
  }

  #leaveUnfit(reason: string): void {
    this.#tell({ kind: 'leaving', unfit: reason })
    void this.#leave(reason)
  }

  #beat(onSent: (error: Error | null) => void): void {
    // The page that is shared with the primary tells more, and sooner.
    const view = this.#queue === undefined ? this.#worker?.view : undefined
    this.#tell({ kind: 'heartbeat', rssBytes: this.#rssBytes, ...view }, onSent)
  }

  #receiveClient(offer: Offer, handle: StreamHandle | undefined): void {
    const [id] = offer
    if (this.#offers !== undefined) {
      this.#offers.receive(offer, handle)
      return
    }
    // The app has reported this worker ready before it was.
    new ProgressWriter(progressFd).write({ step: 'missing', reason: 'none', id, ...uncounted })
    handle?.close()
  }

  #tell(message: FromWorker, onSent: (error: Error | null) => void = () => {}): void {
    if (!process.connected) onSent(null)
    // Without a queue, clients come by this channel alone.
    else if (this.#queue !== undefined && identityOf(channelFd) !== channel)
      onSent(new Error('the app has closed its descriptor'))
    else process.send?.(message, undefined, {}, onSent)
  }

  /** The channel to the primary is closed: goes on without it, if that was killed; else ends. */
  #endUnheard(cause: string): void {
    if (this.#isUnheard) return
    this.#isUnheard = true
    this.#queue?.lockGate()
    if (this.#isOrphan) this.#awaitOrphanhood(cause, performance.now() + lookAfterPrimary.forMs)
    else this.#leaveUnheard(cause)
  }

  /** Whether it goes on if its primary was killed: it takes connections, and was not told to end. */
  get #isOrphan(): boolean {
    return !this.#isLeaving && this.#orphanhood !== undefined && this.#queue?.isAdmitted === true
  }

  #awaitOrphanhood(cause: string, untilMs: number): void {
    if (this.#isOrphan && process.ppid !== this.#primaryPid) this.#orphanhood?.begin()
    else if (this.#isOrphan && performance.now() < untilMs) {
      setTimeout(() => this.#awaitOrphanhood(cause, untilMs), lookAfterPrimary.everyMs)
    } else this.#leaveUnheard(cause)
  }

  /** Exits in good order although the primary is gone, or the app has closed the channel to it. */
  #leaveUnheard(cause: string): void {
    // The next primary must not wait for an answer from this process, nor take it for one that hangs.
    if (this.#queue !== undefined) {
      const { socket, legacy, page } = inherited
      for (const fd of [socket, legacy, page]) nativeModule().close(fd)
    }
    this.#orphanhood?.close()
    // No primary watches this process any more: a handler or teardown that never settles must not keep it alive.
    setTimeout(() => this.#exit(1), this.#patienceMs.connection + this.#patienceMs.end).unref()
    void this.#leave(cause)
  }

  #retire(afterQueue = false): void {
    if (afterQueue && this.#queue !== undefined) this.#queue.onceEmpty(() => this.#retire())
    else void this.#leave('retired')
  }

  /** Exits in good order, after the active connection. */
  async #leave(cause: string): Promise<void> {
    if (this.#isLeaving) return
    this.#isLeaving = true
    this.#log?.debug({ cause }, 'The worker is ending')
    try {
      await this.#worker?.finish()
      const status = await this.#lastWord()
      if (status !== 0) setTimeout(() => this.#exit(status), this.#patienceMs.end).unref()
      await this.#worker?.close()
      this.#exit(status)
    } catch (error) {
      this.#die('The app failed in teardown', error)
    }
  }

  /**
   * Repeats how the last connection ended, in case its report has not arrived. If the primary cannot be told,
   * resolves with the exit status that tells it; otherwise with 0.
   */
  async #lastWord(): Promise<number> {
    const isHeard = await new Promise<boolean>((resolve) =>
      this.#beat((error) => resolve(error === null && process.connected)),
    )
    const last = this.#worker?.view.last
    return isHeard || last === undefined ? 0 : statusOfStep(last.step)
  }

  /** An exception outside every handler leaves the app in an unknown state. */
  #die(what: string, error: unknown): void {
    this.#log?.fatal({ error }, what)
    const { message } = appError(what, error)
    if (this.#worker === undefined)
      this.#tell({ kind: 'boot-failed', reason: message }, () => this.#exit(1))
    else this.#exit(1)
  }
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false
}

/** @throws Error when it is missing here, although the primary has it */
function nativeModule(): NativeModule {
  const { module, reason } = loadNative()
  if (module === undefined) throw new Error(`This worker has ${reason}`)
  return module
}
