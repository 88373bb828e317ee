import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { dirname, join } from 'node:path'
import { type AppCode, appCode } from '../app/app-code.ts'
import { deferred } from '../async/deferred.ts'
import { appModuleIn } from '../config/app-module.ts'
import { type Environment, ownEnvironment, variables } from '../config/environment.ts'
import { type Config, configPath, loadConfig } from '../config/load.ts'
import { type RestartOnly, restartOnly, restartOnlyChange } from '../config/restart-only.ts'
import { endpointsText, parseEndpoint } from '../endpoint.ts'
import { exitStatus, HelloserverError } from '../errors.ts'
import { firstFew } from '../first-few.ts'
import { hasHungUp } from '../service/terminal.ts'
import { type Status, standbyReason } from '../status.ts'
import { type AppFiles, appFiles } from './app-files.ts'
import { ChangeWatcher } from './change-watcher.ts'
import { DevOutput, devCause, shownPath, shownPaths } from './dev-output.ts'
import { DevService, type Ended } from './dev-service.ts'
import { placeOfFault } from './fault-place.ts'

export interface DevRequest {
  /** The app. */
  readonly name: string
  /** The port in place of the configured one. */
  readonly port: number | undefined
}

/** How many of the changed files a message names. */
const maxNamed = 3

/**
 * Serves an app in the foreground while a person works on it, and applies each change by a reload. If the new code does
 * not load, it shows the error, and the previous code keeps serving.
 *
 * The service is called `<app>-dev`, so that it does not collide with a service that runs the same app. Other commands
 * find it by that name.
 */
export class Development {
  readonly #service: string
  readonly #environment: Environment
  /** The configuration file. */
  readonly #config: string
  readonly #output = new DevOutput()
  /** Resolved when a person has told it to end. */
  readonly #stop = deferred<undefined>()
  #isStopping = false
  #watcher: ChangeWatcher | undefined
  #change: Promise<readonly string[]> | undefined
  /** The app's code, as last found. */
  #code: AppCode = { files: new Set(), missing: new Set() }
  #running: DevService | undefined

  /** @throws HelloserverError `BAD_CONFIG` when there is no such app */
  constructor({ name, port }: DevRequest) {
    const own = ownEnvironment()
    this.#service = `${name}-dev`
    this.#config = configPath(name, own)
    this.#environment = {
      ...own,
      [variables.config]: this.#config,
      ...(port !== undefined && { [variables.port]: String(port) }),
    }
    // Any other mistake can be corrected while `dev` waits.
    if (!existsSync(this.#config)) loadConfig(this.#service, this.#environment)
  }

  /** Serves until a person ends it; resolves with the exit status. */
  async run(): Promise<number> {
    this.#watcher = new ChangeWatcher(() => this.#look())
    this.#passSignals()
    try {
      for (;;) {
        const status = await this.#serve()
        if (status !== undefined) return status
      }
    } finally {
      this.#watcher.close()
    }
  }

  /**
   * Runs one service from its start to its end.
   *
   * @returns the exit status; undefined when another service must be started
   */
  async #serve(): Promise<number | undefined> {
    const runs = this.#restartOnly()
    const service = new DevService(this.#service, this.#environment, (line) =>
      this.#output.show(line),
    )
    this.#running = service
    try {
      const started = await service.started()
      if ('code' in started) return await this.#notStarted(started)
      this.#introduce(started)
      for (;;) {
        const changed = await Promise.race([this.#changed(), service.ended])
        if ('code' in changed) return this.#ended(changed)
        const change = runs && restartOnlyChange(runs, this.#restartOnly() ?? runs)
        if (change === undefined) await this.#reload(service, changed)
        else return await this.#restart(service, changed, change)
      }
    } finally {
      this.#running = undefined
      service.signal('SIGTERM')
      await service.ended
    }
  }

  /** The next change; calls before it comes share one promise. */
  #changed(): Promise<readonly string[]> {
    this.#change ??= (this.#watcher as ChangeWatcher).next().finally(() => {
      this.#change = undefined
    })
    return this.#change
  }

  async #reload(service: DevService, changed: readonly string[]): Promise<void> {
    const what = `${namesOf(changed)} changed`
    try {
      const before = await service.status()
      const { outcome, reason, durationMs } = await service.reload(devCause)
      if (outcome === 'failed') {
        this.#output.say(`${what}: not reloaded; the previous code keeps serving`)
        this.#explain(reason ?? '')
        return
      }
      const now = endpointsText(await service.status())
      const where = now === endpointsText(before) ? '' : `, and serves on ${now} now`
      this.#output.say(`${what}: reloaded in ${durationMs} ms${where}`)
    } catch (error) {
      // The service is ending, which is reported when it has.
      if (!(error instanceof HelloserverError)) throw error
    }
  }

  /** Some settings cannot change in a reload. */
  async #restart(
    service: DevService,
    changed: readonly string[],
    change: string,
  ): Promise<number | undefined> {
    this.#output.say(`${namesOf(changed)} changed: restarting, since ${change} in a reload`)
    service.signal('SIGUSR1')
    const end = await service.ended
    return this.#isStopping ? this.#ended(end) : undefined
  }

  /** A mistake in the files can be corrected; a name or a port in use needs a different command. */
  async #notStarted(end: Ended): Promise<number | undefined> {
    if (this.#isStopping || end.status === exitStatus.done) return this.#ended(end)
    if (end.status === exitStatus.alreadyRunning || end.code === 'ADDRESS_TAKEN') {
      const hint = end.code === undefined ? '' : ', or use --port'
      process.stderr.write(`${this.#service}: ${end.reason ?? 'cannot start'}${hint}\n`)
      return end.status ?? exitStatus.failed
    }
    this.#output.say(`${this.#service} did not start; waiting for a change`)
    this.#explain(end.reason ?? `Its process was ended by ${end.signal}`)
    const changed = await Promise.race([this.#changed(), this.#stop.promise])
    if (changed === undefined) return exitStatus.done
    this.#output.say(`${namesOf(changed)} changed: starting`)
    return undefined
  }

  #ended({ status, signal, reason }: Ended): number {
    if (status === exitStatus.done) this.#output.say(`${this.#service} stopped`)
    else process.stderr.write(`${this.#service} ended: ${reason ?? signal ?? `status ${status}`}\n`)
    return status ?? exitStatus.failed
  }

  #explain(reason: string): void {
    const place = placeOfFault(reason)
    this.#output.say(`  ${shownPaths(reason)}`)
    if (place !== undefined) this.#output.say(`  at ${shownPaths(place)}`)
  }

  #introduce(status: Status): void {
    const { workers } = status
    const address = endpointsText(status)
    const serves =
      status.state === 'standby'
        ? `stands by: ${standbyReason(status)}`
        : `serves ${shownPath(dirname(this.#config))} on ${address} with ${workers.length} ${workers.length === 1 ? 'worker' : 'workers'}`
    this.#output.say(
      `${this.#service} ${serves}`,
      `  try it  printf 'hello\\r\\n' | nc -w 1 ${clientArguments(status)}`,
      `  look    npx helloserver status --name ${this.#service}`,
      `  stop    Ctrl-C`,
      `Reloads on a change to ${shownPath(this.#config)}, to files beside it, or to the app's code (${countOf(this.#code.files)})`,
      ...this.#compiledHint(),
    )
  }

  /** Code that is compiled changes only when the compiler has run. */
  #compiledHint(): string[] {
    const source = join(dirname(this.#config), 'app.ts')
    const module = this.#loaded()?.appModule
    if (module === undefined || module === source || !existsSync(source)) return []
    return [
      `${shownPath(source)} is compiled to ${shownPath(module)}: run its compiler after each change, or keep "tsc --watch" running`,
    ]
  }

  /** The app's files as they are on the disk. */
  #look(): AppFiles {
    const module = this.#module()
    if (module !== undefined) this.#code = appCode(module)
    return appFiles(this.#config, this.#code)
  }

  /** The app's module, even when the configuration is bad. */
  #module(): string | undefined {
    try {
      return this.#loaded()?.appModule ?? appModuleIn(dirname(this.#config), undefined)
    } catch {
      // The module is gone, or not built yet: the files of the previous code are still watched.
      return undefined
    }
  }

  #loaded(): Config | undefined {
    try {
      return loadConfig(this.#service, this.#environment)
    } catch {
      // The service itself reports the error.
      return undefined
    }
  }

  #restartOnly(): RestartOnly | undefined {
    const config = this.#loaded()
    return config && restartOnly(this.#service, this.#environment, config)
  }

  /** The service has a session of its own, so a Ctrl-C reaches it only through this process. */
  #passSignals(): void {
    const end = (signal: NodeJS.Signals) => {
      this.#isStopping = true
      this.#stop.resolve(undefined)
      this.#running?.signal(signal)
    }
    process.on('SIGINT', () => end('SIGINT'))
    process.on('SIGTERM', () => end('SIGTERM'))
    process.on('SIGHUP', () => {
      if (hasHungUp()) end('SIGUSR1')
      else this.#running?.signal('SIGHUP')
    })
  }
}

function namesOf(paths: readonly string[]): string {
  return firstFew(paths.map(shownPath), maxNamed)
}

function countOf({ size }: ReadonlySet<string>): string {
  return size === 1 ? '1 file' : `${size} files`
}

/** The arguments with which nc(1) on this host connects to the service. */
function clientArguments({ listen, endpoints = [] }: Status): string {
  if (listen.host !== '') return `${reachable(listen.host)} ${listen.port}`
  return `-U ${parseEndpoint(endpoints[0] ?? '')?.path}`
}

/** An address that a client on this host can connect to. */
function reachable(host: string): string {
  if (isIP(host) === 0) return host
  if (/^[0:.]*$/.test(host)) return host.includes(':') ? '::1' : '127.0.0.1'
  return host
}
