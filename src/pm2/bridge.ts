import { setTimeout as delay } from 'node:timers/promises'
import { programId } from '../build-id.ts'
import { type Environment, ownEnvironment } from '../config/environment.ts'
import { checkRunDir, type RunFiles, runFiles } from '../config/run-dir.ts'
import type { ControlClient } from '../control/client.ts'
import { connectTo } from '../control/connect.ts'
import type { Method, Params, Results } from '../control/protocol.ts'
import { type StopProgress, stopService } from '../control/stop.ts'
import { deferred } from '../deferred.ts'
import { permitLine } from '../fleet/permit-line.ts'
import { codeOf, exitStatus, exitStatusOf, messageOf } from '../errors.ts'
import { primaryModule } from '../launch/launch.ts'
import { signalHolder } from '../lock/signal-holder.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { logRuntimeOutput } from '../telemetry/runtime-output.ts'
import { description } from './description.ts'
import { differenceOf } from './difference.ts'
import { showLog } from './log-view.ts'
import type { Pm2Event } from './pm2-events.ts'
import type { Pm2Process } from './pm2-process.ts'
import { reachPrimary } from './reach.ts'
import { settingsProblems } from './settings.ts'
import { stopInPm2 } from './stop-in-pm2.ts'

/** How long a reload of pm2's may take from the new bridge's upgrade to the end of the old bridge, in milliseconds. */
const replaceWithinMs = 10_000

/** How often the log says how a drain gets on. */
const progressEveryMs = 5_000

/** Begins to show the log, once; resolves when it has been shown to its end. */
type ShowLog = () => Promise<void>

/** The primary that a bridge is attached to, and what that one said. */
interface Attachment {
  readonly client: ControlClient
  readonly attached: Results['attach']
}

/** What can end a bridge's work; the first one does. */
type End = 'shutdown' | 'interrupt' | 'superseded' | 'hung-up'

/**
 * pm2's view of the service: launches the primary or attaches to it, turns what pm2 does into what the
 * primary understands, shows its log and its figures. It may die at any time without harm.
 */
export class Bridge {
  readonly #pm2: Pm2Process
  readonly #log: Logger
  readonly #environment: Environment = ownEnvironment()
  readonly #end = deferred<End>()
  /** Aborted when there is no more to show, and nobody to follow. */
  readonly #over = new AbortController()
  /** pm2 wants this process to go. */
  readonly #dismissed = deferred<void>()
  /** The primary's control socket; another one after an upgrade. */
  #client: Promise<ControlClient> | undefined
  #files: RunFiles | undefined
  #primaryPid: number | undefined
  /** Came when there was no primary yet to forward them to. */
  readonly #earlySignals: NodeJS.Signals[] = []
  #isDraining = false
  #isShutDown = false

  constructor(pm2: Pm2Process) {
    this.#pm2 = pm2
    this.#log = createLogger({ service: pm2.name, role: 'bridge' }, 'info', pm2)
    logRuntimeOutput(this.#log)
  }

  /** Works until pm2 or the primary ends it; returns the exit status that tells pm2 what to do next. */
  async run(): Promise<number> {
    this.#pm2.onEvent((event) => this.#act(event))
    const status = await this.#work()
    // pm2 starts an app again that it stops while it is launching, but for the statuses that it is to leave alone.
    if (this.#isShutDown) return exitStatus.notRunning
    if (this.#pm2.isLeftAloneOn(status)) await stopInPm2(this.#pm2.id, this.#dismissed.promise)
    return status
  }

  async #work(): Promise<number> {
    let shown: Promise<void> | undefined
    let show: ShowLog = () => Promise.resolve()
    try {
      const files = runFiles(this.#pm2.name, this.#environment)
      this.#files = files
      checkRunDir(files)
      show = () => {
        shown ??= showLog(files, this.#pm2, this.#log, this.#over.signal)
        return shown
      }
      const { client, launched } = await reachPrimary(files, this.#environment, this.#log)
      return await this.#supervise(files, client, launched, show)
    } catch (error) {
      if (codeOf(error) === 'SUPERVISED') {
        show = () => Promise.resolve()
        return this.#refuse()
      }
      if (codeOf(error) === 'STOPPING') {
        this.#log.warn({ reason: messageOf(error) }, 'The service was ended while it started')
        return exitStatus.notRunning
      }
      this.#log.error({ reason: messageOf(error) }, 'Cannot bring the service up')
      // The same again would find the same; pm2 is to wait until the entry is mended.
      return codeOf(error) === 'RUNS_ELSEWHERE' ? exitStatus.badConfig : exitStatusOf(error)
    } finally {
      this.#over.abort()
      // A primary that could not start has told the log more than its reason.
      await show()
    }
  }

  /** Further processes of the app would have nothing to do: what scales is the number of workers. */
  #refuse(): number {
    const count = this.#pm2.instance + 1
    this.#log.error(
      `One bridge is enough: process ${count} of "${this.#pm2.name}" ends. To have ${count} workers, run "helloserver scale ${count} --name ${this.#pm2.name}"; "pm2 delete ${this.#pm2.id}" takes this entry off pm2's list`,
    )
    this.#pm2.ready()
    return exitStatus.usage
  }

  async #supervise(
    files: RunFiles,
    client: ControlClient,
    launched: boolean,
    show: ShowLog,
  ): Promise<number> {
    const { attached } = await this.#attach(files, client)
    // Not before: until then the bridge that this one supersedes shows it.
    const shown = show()
    for (const problem of settingsProblems(this.#pm2, attached)) this.#log.warn(problem)
    const current = () => this.#client ?? Promise.resolve(client)
    if (!launched) await this.#bringUpToDate(current, attached)
    this.#pm2.ready()
    // Loaded only now, since pm2 waits for the app and not for its figures.
    const { openDashboard } = await import('./dashboard.ts')
    openDashboard({
      name: files.name,
      ask: (method, params) => this.#ask(current, method, params),
      onStatus: (status) => this.#pm2.describe(description(status, files.pidFile), status.pid),
      signal: this.#over.signal,
    })

    const end = await this.#end.promise
    if (end === 'shutdown') await this.#stop(files, current)
    this.#over.abort()
    await shown
    // Hanging up is what lets the next bridge go on where this one stops.
    if (end !== 'hung-up') (await current()).close()
    if (end === 'superseded') await this.#dismissed.promise
    if (end !== 'hung-up') return exitStatus.done
    // pm2 takes status 0 for the death of a killed process too, so an end on purpose has one of its own.
    if (this.#isDraining) return exitStatus.notRunning
    this.#log.error(
      { primaryPid: this.#primaryPid },
      'The primary died; pm2 is to start the service again',
    )
    return exitStatus.failed
  }

  /** Attaches to a primary; to its successor if it is no longer the service when it hears of that. */
  async #attach(files: RunFiles, client: ControlClient): Promise<Attachment> {
    const mine = Promise.resolve(client)
    this.#client = mine
    let next: Promise<Attachment> | undefined
    const follow = () => (next ??= this.#follow(files))
    void client.handedOver.then(() => {
      // One that another bridge has superseded would supersede that one there. That it cannot is told where it is tried.
      if (!this.#over.signal.aborted) void follow()
    })
    client.on('superseded', () => this.#end.resolve('superseded'))
    client.on('draining', () => {
      this.#isDraining = true
    })
    void client.closed.then(() => {
      // A predecessor hangs up when it has finished what it had in hand.
      if (this.#client === mine) this.#end.resolve('hung-up')
    })
    try {
      const attached = await client.request('attach', {
        pid: process.pid,
        instance: this.#pm2.instance,
      })
      if (next === undefined) {
        this.#primaryPid = attached.status.pid
        for (const signal of this.#earlySignals.splice(0)) this.#forward(signal)
        return { client, attached }
      }
    } catch (error) {
      if (codeOf(error) !== 'HANDED_OVER') throw error
    }
    return follow()
  }

  /**
   * The service is of a release that this bridge cannot speak with, or is gone. If pm2 is about to replace this
   * process, by one of that release, it must be here to be replaced; if not, pm2 starts that one when it ends.
   */
  async #leftBehind(cause: unknown): Promise<void> {
    this.#log.warn(
      { reason: messageOf(cause) },
      'Cannot follow the service; leaving it to the next bridge',
    )
    this.#client = undefined
    await Promise.race([this.#dismissed.promise, delay(replaceWithinMs)])
    this.#end.resolve('hung-up')
  }

  /** Another process has become the service: this is its bridge from now on. */
  #follow(files: RunFiles): Promise<Attachment> {
    const following = connectTo(files).then((client) => this.#attach(files, client))
    this.#client = following.then(({ client }) => client)
    this.#client.catch((error: unknown) => this.#leftBehind(error))
    return following
  }

  /** A bridge that takes over from another one is a reload; one that finds a primary alone is not, unless it runs something else. */
  async #bringUpToDate(
    current: () => Promise<ControlClient>,
    attached: Results['attach'],
  ): Promise<void> {
    const environment = this.#environment
    const cause = attached.superseded
      ? 'pm2 reload'
      : await differenceOf(attached, environment, this.#log)
    if (cause === undefined) return
    // Another build of helloserver itself needs another primary, one of the app only other workers.
    const result =
      attached.programId === programId()
        ? await this.#ask(current, 'reload', { cause, environment })
        : await this.#ask(current, 'upgrade', { cause, environment, program: primaryModule })
    if (result.outcome === 'done') return
    this.#log.error(
      { reason: result.reason },
      'The reload failed; the old generation goes on serving',
    )
  }

  /** Asks the process that is the service. */
  #ask<M extends Method>(
    current: () => Promise<ControlClient>,
    method: M,
    params: Params<M>,
  ): Promise<Results[M]> {
    return this.#call(current, (client) => client.request(method, params))
  }

  /** Turns to the process that is the service, also when that becomes another one meanwhile. */
  async #call<T>(
    current: () => Promise<ControlClient>,
    use: (client: ControlClient) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      try {
        return await use(await current())
      } catch (error) {
        // By then, this bridge is on its way to the process that is the service now, or was left behind.
        if (codeOf(error) !== 'HANDED_OVER' || this.#client === undefined) throw error
      }
    }
  }

  async #stop(files: RunFiles, current: () => Promise<ControlClient>): Promise<void> {
    if (this.#client === undefined) {
      // pm2 replaces this bridge by one of that release, or stops it: it cannot tell which.
      this.#log.warn('Leaving the service alone, which this bridge cannot speak with')
      return
    }
    this.#log.info('pm2 stops the service; serving what is queued and in hand')
    const follower = {
      everyMs: progressEveryMs,
      onProgress: ({ drain, fleet }: StopProgress) => {
        if (drain !== null) this.#log.info(drain, 'Draining')
        else if (fleet?.waiting) this.#log.info(permitLine(fleet.waiting))
      },
    }
    await this.#call(current, (client) => stopService(client, files, follower))
  }

  #act(event: Pm2Event): void {
    switch (event.kind) {
      case 'shutdown':
      case 'interrupt':
        this.#isShutDown ||= event.kind === 'shutdown'
        this.#end.resolve(event.kind)
        this.#dismissed.resolve()
        return
      case 'signal':
        this.#forward(event.signal)
        return
    }
  }

  #forward(signal: NodeJS.Signals): void {
    if (this.#primaryPid === undefined) {
      this.#earlySignals.push(signal)
      return
    }
    try {
      if (this.#files !== undefined) signalHolder(this.#primaryPid, this.#files, signal)
    } catch (error) {
      this.#log.error(
        { signal, reason: messageOf(error) },
        'Cannot forward a signal to the primary',
      )
    }
  }
}
