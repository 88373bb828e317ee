import { deferred } from '../async/deferred.ts'
import { nextPoll } from '../async/next-poll.ts'
import { withDeadline } from '../async/with-deadline.ts'
import { type Environment, ownEnvironment } from '../config/environment.ts'
import { located } from '../config/project.ts'
import { checkRunDir, type RunFiles, runFiles } from '../config/run-dir.ts'
import type { Results } from '../control/protocol.ts'
import { type StopProgress, stopService } from '../control/stop.ts'
import { codeOf, exitStatus, exitStatusOf, messageOf } from '../errors.ts'
import { permitLine } from '../fleet/permit-line.ts'
import { launch } from '../launch/launch.ts'
import { signalHolder } from '../lock/signal-holder.ts'
import type { ReloadResult } from '../status.ts'
import { createLogger, type Logger } from '../telemetry/logger.ts'
import { logRuntimeOutput } from '../telemetry/runtime-output.ts'
import { versionWarning } from '../versions.ts'
import { description } from './description.ts'
import { differenceOf } from './difference.ts'
import { DismissalReader } from './dismissal-reader.ts'
import { showLog } from './log-view.ts'
import { withNodeArguments } from './node-arguments.ts'
import type { Dismissal, Pm2Event } from './pm2-events.ts'
import type { Pm2Process } from './pm2-process.ts'
import { pm2Version, quirksOf } from './pm2-release.ts'
import { type Reached, reachPrimary } from './reach.ts'
import { ServiceLink } from './service-link.ts'
import { settingsProblems } from './settings.ts'
import { stopInPm2 } from './stop-in-pm2.ts'
import { environmentFor, updateOf } from './update.ts'

/** How often the log reports the progress of a drain, in milliseconds. */
const progressEveryMs = 5_000
/** How often a superseded bridge asks pm2 whether it is being replaced, in milliseconds. */
const askAgainMs = 5_000

/** Starts showing the log, once; resolves when all of it has been shown. */
type ShowLog = () => Promise<void>

/** The event that ends a bridge's work; the first one counts. */
type End =
  | { readonly how: 'stop' | 'leave' | 'hung-up' }
  /** With the environment that the next bridge will get, if pm2 reports it. */
  | { readonly how: 'restart'; readonly environment: Environment | undefined }
  /** By the bridge of process `by`, if the primary names it. */
  | { readonly how: 'superseded'; readonly by: number | undefined }

/** The result of a bridge's work. */
interface Outcome {
  readonly status: number
  /** Whether pm2 should leave the app stopped. */
  readonly isFinal: boolean
}

/**
 * pm2's view of the service: launches the primary or attaches to it, translates pm2's actions for the primary,
 * and shows the service's log and figures. It may die at any time without harm.
 */
export class Bridge {
  readonly #pm2: Pm2Process
  readonly #log: Logger
  readonly #dismissals: DismissalReader
  readonly #given = withNodeArguments(ownEnvironment())
  #environment: Environment = this.#given.environment
  readonly #end = deferred<End>()
  #ended: End | undefined
  /** Aborted when there is nothing left to show, and no service to follow. */
  readonly #over = new AbortController()
  /** Resolves when pm2 wants this process to go. */
  readonly #dismissed = deferred<void>()
  #files: RunFiles | undefined
  /** Settles when pm2's intention is known. */
  #handling: Promise<void> | undefined
  #link: ServiceLink | undefined
  /** Signals that arrived before there was a primary to forward them to. */
  readonly #earlySignals: NodeJS.Signals[] = []

  constructor(pm2: Pm2Process) {
    this.#pm2 = pm2
    this.#log = createLogger({ service: pm2.name, role: 'bridge' }, 'info', pm2)
    this.#dismissals = new DismissalReader(pm2, this.#log)
    logRuntimeOutput(this.#log)
  }

  /** Works until pm2 or the primary ends it; returns the exit status that tells pm2 what to do next. */
  async run(): Promise<number> {
    this.#pm2.onEvent((event) => this.#act(event))
    const unsupported = versionWarning('pm2', pm2Version() ?? 'of an unknown version')
    if (unsupported !== undefined) this.#log.warn(unsupported)
    const { status, isFinal } = await this.#work()
    await this.#handling
    if (quirksOf(pm2Version()).waitsForTheDead) this.#pm2.ready()
    // pm2 restarts an app that it stops during its launch, except on the statuses that it leaves alone.
    const how = this.#ended?.how
    if (how === 'stop' || how === 'restart') return exitStatus.notRunning
    if (isFinal) await stopInPm2(this.#pm2.id, this.#dismissed.promise, this.#log)
    return status
  }

  async #work(): Promise<Outcome> {
    let shown: Promise<void> | undefined
    let show: ShowLog = () => Promise.resolve()
    try {
      this.#environment = located(this.#environment, this.#pm2.name, this.#pm2.folder)
      const files = runFiles(this.#pm2.name, this.#environment)
      this.#files = files
      checkRunDir(files)
      show = () => {
        shown ??= showLog(files, this.#pm2, this.#log, this.#over.signal)
        return shown
      }
      const missed = this.#catchUp()
      const isOver = () => this.#ended !== undefined
      const start = () => this.#launch(files)
      const reached = await reachPrimary(files, start, this.#log, isOver)
      if (reached === undefined) return this.#outcome(exitStatus.done)
      return await this.#supervise(files, reached, missed, show)
    } catch (error) {
      if (codeOf(error) === 'SUPERVISED') {
        show = () => Promise.resolve()
        return this.#outcome(this.#refuse())
      }
      if (codeOf(error) === 'STOPPING') {
        this.#log.warn(
          { reason: messageOf(error) },
          'The service was stopped while it was starting',
        )
        return this.#outcome(exitStatus.notRunning)
      }
      this.#log.error({ reason: messageOf(error) }, 'Cannot bring the service up')
      // Another attempt would find the same; pm2 should wait until a person fixes the entry.
      const runsElsewhere = codeOf(error) === 'RUNS_ELSEWHERE'
      return this.#outcome(runsElsewhere ? exitStatus.badConfig : exitStatusOf(error))
    } finally {
      this.#over.abort()
      // A primary that could not start has logged more than the reason.
      await show()
    }
  }

  /** @throws HelloserverError why there is no primary now, as `launch` does */
  async #launch(files: RunFiles): Promise<void> {
    if (this.#given.problem !== undefined) throw this.#given.problem
    await launch(files, this.#environment)
  }

  #outcome(status: number): Outcome {
    return { status, isFinal: this.#pm2.isLeftAloneOn(status) }
  }

  /** Rejects further processes of the app, which would have nothing to do: the service scales by its workers. */
  #refuse(): number {
    const count = this.#pm2.instance + 1
    this.#log.error(
      `A service has one bridge: process ${count} of "${this.#pm2.name}" ends. To have ${count} workers, run "helloserver scale ${count} --name ${this.#pm2.name}"; "pm2 delete ${this.#pm2.id}" removes this entry from pm2's list`,
    )
    this.#pm2.ready()
    return exitStatus.usage
  }

  /** @param missed - resolves when it is known whether pm2 has already ended this process */
  async #supervise(
    files: RunFiles,
    { client, launched }: Reached,
    missed: Promise<void>,
    show: ShowLog,
  ): Promise<Outcome> {
    const link = new ServiceLink({
      files,
      pm2: this.#pm2,
      log: this.#log,
      signal: this.#over.signal,
      dismissed: this.#dismissed.promise,
      onSuperseded: (by) => this.#finish({ how: 'superseded', by }),
      onHungUp: () => this.#finish({ how: 'hung-up' }),
    })
    this.#link = link
    const attached = await link.attach(client)
    for (const signal of this.#earlySignals.splice(0)) this.#forward(signal)
    // Not earlier: until then, the superseded bridge shows the log.
    const shown = show()
    for (const problem of settingsProblems(this.#pm2, attached)) this.#log.warn(problem)
    await missed
    if (!launched) await this.#bringUpToDate(link, attached)
    if (this.#ended === undefined) await this.#present(link, files)

    const end = await this.#end.promise
    if (end.how === 'stop') await this.#stop(files, link)
    if (end.how === 'restart') await this.#leaveForRestart(files, link, end.environment)
    this.#over.abort()
    await shown
    // Closing the connection lets the next bridge continue where this one stops.
    if (end.how !== 'hung-up') await link.close()
    if (end.how === 'superseded') return this.#giveWay(end.by)
    if (end.how !== 'hung-up') return this.#outcome(exitStatus.done)
    // pm2 also takes status 0 for the death of a killed process, so a deliberate end has a status of its own.
    if (link.isDraining) return this.#outcome(exitStatus.notRunning)
    this.#log.error(
      { primaryPid: link.primaryPid },
      'The primary died; leaving it to pm2 to start the service again',
    )
    return this.#outcome(exitStatus.failed)
  }

  /** Reports to pm2 that the service is up, and shows it there. */
  async #present(link: ServiceLink, files: RunFiles): Promise<void> {
    this.#pm2.ready()
    // Loaded only now: pm2 waits for the app, not for its figures.
    const { openDashboard } = await import('./dashboard.ts')
    // A service that has ended meanwhile has said why, and must not be asked before that is heard.
    await nextPoll()
    openDashboard({
      name: files.name,
      ask: (method, params) => link.request(method, params),
      onStatus: (status) => this.#pm2.describe(description(status, files.pidFile), status.pid),
      signal: this.#over.signal,
    })
  }

  /**
   * A bridge that takes over from another one performs a reload; one that follows a bridge that left for a
   * restart performs the restart. A bridge that finds an unattended primary does neither, unless that primary
   * runs something else. Also resolves when this bridge ends.
   */
  async #bringUpToDate(link: ServiceLink, attached: Results['attach']): Promise<void> {
    const cause = await this.#causeOf(attached)
    if (cause === undefined || this.#ended !== undefined) return
    const updating = this.#update(link, attached, cause).then((result) => {
      // An update during which pm2 ends this bridge has not failed.
      if (result.outcome === 'done' || this.#ended !== undefined) return
      this.#log.error(
        { reason: result.reason },
        `The ${attached.restarting ? 'restart' : 'reload'} failed; the old generation keeps serving`,
      )
    })
    const refused = (error: unknown) => {
      // The bridge learns by other means that a service is gone.
      if (this.#ended !== undefined) return
      const reason = messageOf(error)
      this.#log.error(
        { reason },
        'The service refused the update; the old generation keeps serving',
      )
    }
    // The update continues without this bridge.
    await Promise.race([updating.catch(refused), this.#end.promise])
  }

  async #update(
    link: ServiceLink,
    attached: Results['attach'],
    cause: string,
  ): Promise<ReloadResult> {
    if (this.#given.problem !== undefined) throw this.#given.problem
    const { how, program } = updateOf(attached)
    const environment = environmentFor(program, this.#environment)
    if (how === 'reload') return link.request('reload', { cause, environment })
    return link.request('upgrade', { cause, environment, program })
  }

  async #causeOf(attached: Results['attach']): Promise<string | undefined> {
    if (attached.restarting) return 'pm2 restart'
    if (attached.superseded) return 'pm2 reload'
    return differenceOf(attached, this.#environment, this.#log)
  }

  /** Tells the primary that the next bridge will replace it; if that is impossible, stops the service first. */
  async #leaveForRestart(
    files: RunFiles,
    link: ServiceLink,
    environment: Environment | undefined,
  ): Promise<void> {
    if (!link.isLeftBehind) {
      try {
        const { obstacle } = await link.request('restarting', {
          ...(environment && { environment }),
        })
        if (obstacle === null) {
          this.#log.info('pm2 restarts the service: a new primary takes over from this one')
          return
        }
        this.#log.warn({ reason: obstacle }, 'Restarting the service by a stop and a start')
      } catch (error) {
        this.#log.warn({ reason: messageOf(error) }, 'Restarting the service by a stop and a start')
      }
    }
    await this.#stop(files, link)
  }

  async #stop(files: RunFiles, link: ServiceLink): Promise<void> {
    if (link.isLeftBehind) {
      // pm2 either replaces this bridge by one of that release or stops it; the bridge cannot tell which.
      this.#log.warn('Leaving the service running, since this bridge cannot talk to it')
      return
    }
    this.#log.info('pm2 stops the service; serving the queued and active connections')
    const follower = {
      everyMs: progressEveryMs,
      onProgress: ({ drain, fleet }: StopProgress) => {
        if (drain !== null) this.#log.info(drain, 'Draining')
        else if (fleet?.waiting) this.#log.info(permitLine(fleet.waiting))
      },
    }
    await link.call((client) => stopService(client, files, follower))
  }

  /**
   * Another bridge supervises the service. In a reload, pm2 replaces this process by that bridge once it is
   * ready. If pm2 still lists this process for the app, the other bridge belongs to another pm2, and the two
   * would supersede each other for ever.
   */
  async #giveWay(by: number | undefined): Promise<Outcome> {
    while (!(await this.#dismissals.isListed())) {
      const dismissed = this.#dismissed.promise.then(() => true)
      const isDismissed = await withDeadline(dismissed, askAgainMs, () => false)
      if (isDismissed) return this.#outcome(exitStatus.done)
    }
    const { name } = this.#pm2
    this.#log.warn(
      { bridgePid: by },
      `Another bridge (process ${by ?? 'unknown'}), started by another pm2 or from another entry, supervises "${name}" now. This bridge stops for good; "pm2 restart ${name}" takes the service back`,
    )
    return { status: exitStatus.notRunning, isFinal: true }
  }

  #act(event: Pm2Event): void {
    switch (event.kind) {
      case 'dismissal':
        if (this.#ended === undefined) this.#handling = this.#handleDismissal(event)
        else this.#dismissed.resolve()
        return
      case 'orphaned':
        this.#finish({ how: 'leave' })
        this.#dismissed.resolve()
        return
      case 'signal':
        this.#forward(event.signal)
        return
    }
  }

  #finish(end: End): void {
    this.#ended ??= end
    this.#end.resolve(end)
  }

  async #handleDismissal(dismissal: Dismissal): Promise<void> {
    const meaning = await this.#dismissals.read(dismissal)
    if (meaning.how === 'forward') {
      this.#forward(meaning.signal)
      return
    }
    this.#finish(meaning)
    this.#dismissed.resolve()
  }

  /** Handles a dismissal that came, and was lost, while pm2 was loading this program: pm2 would wait long. */
  async #catchUp(): Promise<void> {
    if (!(await this.#dismissals.isEnding())) return
    this.#act({ kind: 'dismissal', by: 'message', atMs: Date.now() })
    await this.#handling
  }

  #forward(signal: NodeJS.Signals): void {
    const primaryPid = this.#link?.primaryPid
    if (primaryPid === undefined) {
      this.#earlySignals.push(signal)
      return
    }
    try {
      if (this.#files !== undefined) signalHolder(primaryPid, this.#files, signal)
    } catch (error) {
      this.#log.error(
        { signal, reason: messageOf(error) },
        'Cannot forward a signal to the primary',
      )
    }
  }
}
