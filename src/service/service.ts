import { rmSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Admin } from '../admin/admin.ts'
import { ownProgramId, version } from '../build-id.ts'
import type { Environment } from '../config/environment.ts'
import { ControlServer } from '../control/server.ts'
import { deferred } from '../deferred.ts'
import type { Endpoint } from '../endpoint.ts'
import { handedOver, HelloserverError } from '../errors.ts'
import { PidFile } from '../lock/pid-file.ts'
import { type SignalAction, signalTable } from '../lifecycle/signal-table.ts'
import type { StopResult } from './drain.ts'
import type { ReloadRequest } from './deployer.ts'
import { Primary } from './primary.ts'
import { onSignal } from './signals.ts'
import { type ReloadResult, standbyReason } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'
import { WorkerOutput } from '../telemetry/worker-output.ts'
import { Successor } from '../upgrade/successor.ts'
import { adminTarget } from './admin-target.ts'
import { KeptFiles } from './kept-files.ts'
import { mayStop } from './may-stop.ts'
import type { ServiceOptions } from './service-options.ts'
import { Release } from './release.ts'
import { hasHungUp } from '../bin/terminal.ts'

const workerModule = fileURLToPath(new URL('../bin/worker.js', import.meta.url))

/** A primary and everything by which it is reached: the control socket, the PID file, signals. */
export class Service {
  readonly primary: Primary
  readonly control: ControlServer
  readonly admin: Admin
  readonly #options: ServiceOptions
  readonly #log: Logger
  readonly #pidFile: PidFile
  readonly #kept: KeptFiles
  readonly #ended = deferred<void>()
  readonly #release: Release
  #ending: Promise<StopResult> | undefined
  #isPublished = false
  #hasHungUp = false
  /** The start or the upgrade is complete; from now on this host may begin to serve again and again. */
  #isReady = false

  constructor(options: ServiceOptions) {
    const { name, environment, config, serviceLog, files, lock, notifier, membership } = options
    const { logger: log } = serviceLog
    this.#options = options
    this.#log = log
    this.#release = new Release(environment)
    const release = this.#release
    const output = new WorkerOutput(serviceLog, log)
    this.primary = new Primary({
      name,
      environment,
      config,
      runDir: files.runDir,
      workerModule,
      log,
      lock,
      inheritedFd: options.inheritedFd,
      inheritance: options.inheritance,
      ...membership,
      predecessorGone: options.predecessor?.gone,
      applyLog: (applied) => serviceLog.apply(applied),
      openOutput: (printer) => output.open(printer),
      onServing: () => this.#sayServing(),
      onReloading: (outcome) => notifier.reloading(outcome),
      onDraining: (cause) => {
        this.control.supervisor.announceDraining(cause)
        notifier.stopping(cause)
      },
      release,
      startSuccessor: (program, wanted, readyTimeoutMs) =>
        this.#successor(program, wanted, readyTimeoutMs),
      moveAdmin: (wanted) => this.admin.move(wanted),
      onCut: () => options.predecessor?.end(0),
      onHandingOver: () => void this.#kept.leavePlace(),
      onHandedOver: (pid, leaving) => this.#handOver(pid, leaving),
      onNotHandedOver: () => this.#republish(),
    })
    const { primary } = this
    this.control = new ControlServer(
      {
        status: () => primary.status(this.control.supervisor.pid),
        get config() {
          return primary.deployer.config
        },
        programId: ownProgramId(),
        release,
        reload: (cause, wanted) => this.#passedOn(primary.deployer.reload(cause, wanted)),
        upgrade: (cause, wanted) => this.#passedOn(this.#upgrade(cause, wanted)),
        scale: (workers) => primary.deployer.scale(workers),
        logAt: (level) => primary.deployer.logAt(level),
        stop: (cause, force) => this.#stop(cause, force),
        restartObstacle: (wanted) => this.#restartObstacle(wanted),
        fleet: membership.fleet.desk,
      },
      ({ pid, isRestart }) => {
        log.warn(
          { bridgePid: pid },
          `${isRestart ? 'pm2 was to restart the bridge, and no other one has come' : 'The bridge is gone, and no other one has come'}; the service goes on without pm2 until "pm2 start" attaches one`,
        )
      },
    )
    this.admin = new Admin(
      adminTarget(primary, this.control, membership.fleet, (reloading) =>
        this.#passedOn(reloading),
      ),
      log,
    )
    options.stack.push('page', () => this.admin.close())
    const { control } = this
    const { logFile } = options
    this.#pidFile = new PidFile(files.pidFile)
    this.#kept = new KeptFiles({
      files,
      lock,
      control,
      pidFile: this.#pidFile,
      logFile,
      events: primary.events,
      log,
    })
    onSignal((action, signal) => this.#act(action, signal))
  }

  /** Binds the control socket; nobody can find it yet. */
  async openControl(): Promise<void> {
    const { files, stack } = this.#options
    await this.control.bind(files.socketFile)
    stack.push('control socket', () => this.control.close())
  }

  /** Puts the control socket at its public path. */
  publishControl(): void {
    const { files, stack } = this.#options
    this.control.publish()
    this.#kept.keepPlace()
    stack.push('path of the control socket', () => rmSync(files.socketFile, { force: true }))
  }

  /**
   * Starts, publishes, and runs until the end.
   *
   * @param start - brings up the primary
   * @param publish - makes the service public
   */
  async run(start: () => Promise<void>, publish: () => void): Promise<void> {
    const { stack, predecessor, membership } = this.#options
    const { fleet } = membership
    try {
      if (predecessor === undefined) await fleet.join(() => this.primary.status(null))
      await start()
      this.#pidFile.write()
      this.#options.lock().sign()
      stack.push('PID file', () => this.#pidFile.remove())
      publish()
      this.#isPublished = true
      fleet.open(() => this.primary.status(null))
      this.#sayReady()
      await this.#ended.promise
    } catch (error) {
      // In the same turn: clients that connect from now on belong to the predecessor.
      this.primary.refuse()
      await fleet.fail()
      throw error
    } finally {
      // A stop that was requested during the start must be answered too.
      if (this.#ending !== undefined) await this.#ended.promise
      await this.control.farewell()
    }
  }

  /** Ends the service; `terminate` after `stop` cuts the stop short. */
  end(how: 'stop' | 'terminate', cause: string): Promise<StopResult> {
    const { predecessor, membership } = this.#options
    const { announceMs, timeoutMs } = this.primary.deployer.config.drain
    if (how === 'terminate') {
      membership.fleet.escalate('stopping', cause)
      void this.primary.terminate(cause)
    } else predecessor?.end(announceMs + timeoutMs)
    this.#ending ??= this.#finish(this.primary.stop(cause))
    return this.#ending
  }

  #tellOfStart(listen: Endpoint): void {
    const { events, deployer } = this.primary
    const { workers, appModule: app } = deployer.config
    const serving = { ...listen, workers, app }
    if (this.#options.predecessor === undefined || this.#isReady) events.record('started', serving)
    else events.record('upgraded', { ...serving, version, primaryPid: process.pid })
  }

  /** @throws HelloserverError `HANDED_OVER` when another process is the service and must be asked instead */
  async #stop(cause: string, force: boolean): Promise<StopResult> {
    const { fleet } = this.#options.membership
    const successorPid = await mayStop(this.primary, fleet, cause, force)
    if (successorPid !== undefined) throw handedOver(successorPid)
    return this.end('stop', cause)
  }

  /** If another process became the service before the reload could begin, the reload is that process's task. */
  async #passedOn(reloading: Promise<ReloadResult>): Promise<ReloadResult> {
    const result = await reloading
    const { successorPid } = this.primary
    if (result.outcome === 'failed' && successorPid !== undefined) throw handedOver(successorPid)
    return result
  }

  /**
   * Why an upgrade cannot do what a restart would do; null when it can, or when it fails for a reason that
   * would fail a start as well.
   *
   * @throws HelloserverError `HANDED_OVER` when another process is the service and must be asked instead
   */
  async #restartObstacle(environment: Environment | undefined): Promise<string | null> {
    await this.primary.decided
    const { successorPid, deployer } = this.primary
    if (successorPid !== undefined) throw handedOver(successorPid)
    if (this.#ending !== undefined) return 'the service is on its way to its end'
    if (this.#options.mode === 'foreground') return 'a service in the foreground cannot be upgraded'
    return deployer.restartObstacle(environment)
  }

  async #finish(stopping: Promise<StopResult>): Promise<StopResult> {
    const { predecessor, stack, membership } = this.#options
    const result = await stopping
    await predecessor?.released()
    await membership.fleet.leave()
    await this.#kept.close()
    stack.releaseAll()
    this.#ended.resolve()
    return result
  }

  /**
   * In the foreground, the parent waits for the end of this very process, and nobody would wait for a successor's.
   */
  async #upgrade(cause: string, request: Partial<ReloadRequest>): Promise<ReloadResult> {
    this.#refuseInForeground()
    const { program } = this.#release
    return this.primary.deployer.reload(cause, { program, ...request })
  }

  /** @throws HelloserverError `CONTROL_FAILED` */
  #refuseInForeground(): void {
    if (this.#options.mode !== 'foreground') return
    throw new HelloserverError(
      'CONTROL_FAILED',
      'A service in the foreground cannot be upgraded, and so cannot be given another environment or moved to another folder; end it and run it again',
    )
  }

  #successor(program: string, environment: Environment, readyTimeoutMs: number): Successor {
    this.#refuseInForeground()
    const { files } = this.#options
    const successor = new Successor({
      files,
      lockFd: this.#options.lock().fd,
      program,
      environment,
      readyTimeoutMs,
      isBridgeExpected: () => this.control.supervisor.isNextExpected,
    })
    this.#options.logFile?.share(successor.ended)
    successor.onEnd((withinMs) => this.#endWithin(withinMs))
    return successor
  }

  /**
   * Another process has been the service: limits how long active connections here may still take, in milliseconds.
   */
  #endWithin(withinMs: number): void {
    setTimeout(() => void this.end('terminate', 'the service ends'), withinMs).unref()
    this.#options.predecessor?.end(withinMs)
  }

  /** A successor may have taken the public paths and then died. */
  #republish(): Promise<void> {
    this.#kept.keepPlace()
    return this.#kept.check()
  }

  /** Reports readiness, once the service can be found: nobody must be sent to it before. */
  #sayReady(): void {
    const status = this.primary.status(null)
    if (status.state === 'standby') this.#options.notifier.standingBy(standbyReason(status))
    else this.#sayServing()
    this.#isReady = true
  }

  #sayServing(): void {
    if (!this.#isPublished) return
    const { listen } = this.primary.status(null)
    this.#tellOfStart(listen)
    this.#options.notifier.serving(listen)
  }

  /** Another process is the service from now on: the files by which it is found are not this process's to remove. */
  #handOver(pid: number, leaving: Promise<StopResult>): void {
    this.#options.lock().release()
    this.#options.stack.forgetAll()
    this.#options.membership.fleet.rest()
    this.control.handOver(pid)
    this.admin.close()
    // Callers that wait for an answer ask the other process themselves.
    if (this.primary.deployer.isReloadOwed) this.primary.signalSuccessor('SIGHUP')
    this.#ending ??= this.#finish(leaving)
  }

  /** A second signal ends the wait for the other hosts, or moves the stop on to its next phase. */
  async #stopOnSignal(signal: NodeJS.Signals): Promise<void> {
    const { fleet } = this.#options.membership
    if (fleet.escalate('stopping', signal)) return
    const successorPid = await mayStop(this.primary, fleet, signal, false)
    if (successorPid !== undefined) this.#passOn('stop', signal)
    else if (this.#ending === undefined) void this.end('stop', signal)
    else this.primary.escalate(signal)
  }

  /** When the process that took over the service has died, a stop can only end this process. */
  #passOn(action: SignalAction, signal: NodeJS.Signals): void {
    const { successorPid } = this.primary
    if (this.primary.signalSuccessor(signal)) return
    this.#log.warn(
      { signal, successorPid },
      'The process that took the service over has died; this one ends after what it has in hand',
    )
    const { announceMs, timeoutMs } = this.primary.deployer.config.drain
    if (action === 'stop') this.#endWithin(announceMs + timeoutMs)
  }

  /**
   * Nobody is left to see or end a service in the foreground. Both the shell and the system may report the hang-up.
   */
  #hangUp(signal: NodeJS.Signals): void {
    if (this.#hasHungUp) return
    this.#hasHungUp = true
    this.#log.warn('The terminal is gone; stopping')
    void this.#stopOnSignal(signal)
  }

  #act(action: SignalAction, signal: NodeJS.Signals): void {
    const { mode, stack } = this.#options
    const log = this.#log
    log.info({ signal }, `Caught ${signal}`)
    // HUP also means that the log may have been renamed; and during a pause, any file may have been removed.
    if (action === 'reload' || action === 'resume') void this.#kept.check()
    const { successorPid } = this.primary
    if (successorPid !== undefined && signalTable[signal]?.meantFor === 'service') {
      this.#passOn(action, signal)
      return
    }
    switch (action) {
      case 'reload':
        if (hasHungUp()) {
          this.#hangUp(signal)
          return
        }
        void this.primary.deployer.reloadOnSignal(signal)
        return
      case 'upgrade':
        this.#upgrade(signal, {}).catch((error: unknown) => log.error({ error }, 'Not upgraded'))
        return
      case 'stop':
        void this.#stopOnSignal(signal)
        return
      case 'terminate':
        void this.end('terminate', signal)
        return
      case 'interrupt':
        // A terminal's Ctrl-C; a daemon has no terminal.
        if (mode !== 'foreground') return
        if (this.#ending === undefined) void this.#stopOnSignal(signal)
        else void this.end('terminate', signal)
        return
      case 'resume':
        this.primary.resume()
        return
      case 'fatal':
        log.fatal({ signal }, `Ending on ${signal}`)
        stack.releaseAll()
        process.exit(128 + constants.signals[signal])
    }
  }
}
