import { readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { ownEnvironment } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { makeRunDir, type RunFiles, runFiles } from '../config/run-dir.ts'
import { ControlServer } from '../control/server.ts'
import { deferred } from '../deferred.ts'
import { codeOf, type ErrorCode, exitStatus, exitStatusOf, messageOf } from '../errors.ts'
import { reportBoot } from '../launch/boot-report.ts'
import { readPid, takePidLock } from '../primary/pid-lock.ts'
import { Primary, type StopResult } from '../primary/primary.ts'
import { ReleaseStack } from '../primary/release-stack.ts'
import { onSignal } from '../primary/signals.ts'
import type { SignalAction } from '../lifecycle/signal-table.ts'
import { createLogger, type Logger, standardOutput } from '../telemetry/logger.ts'
import { LogFile } from '../telemetry/log-file.ts'
import { WorkerOutput } from '../telemetry/worker-output.ts'

/** A daemon logs to its file and answers its launcher; in the foreground a person looks on. */
export type Mode = 'daemon' | 'foreground'

const workerModule = fileURLToPath(new URL('./worker.js', import.meta.url))

/**
 * Runs a service from its start to its end: takes the lock, opens the control socket, brings the primary up,
 * acts on signals and commands.
 *
 * @returns the exit status
 */
export async function serve(name: string, mode: Mode): Promise<number> {
  // What the service creates is its owner's alone, from the first moment.
  process.umask(0o077)
  try {
    const environment = ownEnvironment()
    const files = runFiles(name, environment)
    makeRunDir(files)
    const lock = await takePidLock(files.pidFile)
    const destination = mode === 'daemon' ? new LogFile(files.logFile) : standardOutput()
    const log = createLogger({ service: name, role: 'primary' }, 'info', destination)
    const stack = new ReleaseStack((what, reason) => log.error({ what, reason }, 'Cannot release'))
    stack.push('PID lock', () => lock.release())
    endOnFault(log, stack)
    try {
      clearLeftovers(files, log)
      const config = loadConfig(name, environment)
      log.level = config.logLevel
      const output = new WorkerOutput(destination, log)
      const primary = new Primary({
        name,
        environment,
        config,
        runDir: files.runDir,
        workerModule,
        log,
        onWorkerOutput: (slot, line, stream) => output.write(slot, line, stream),
        onDraining: (cause) => control.supervisor.announceDraining(cause),
      })
      const service = new Service(primary, stack)
      const control: ControlServer = new ControlServer({
        status: () => primary.status(control.supervisor.pid),
        get config() {
          return primary.config
        },
        reload: (cause, wanted) => primary.reload(cause, wanted),
        scale: (workers) => primary.scale(workers),
        stop: (cause) => service.end('stop', cause),
      })
      await control.listen(files.socketFile)
      stack.push('control socket', () => control.close(files.socketFile))
      onSignal((action, signal) => act(action, signal, { mode, log, primary, service, stack }))
      try {
        await primary.start()
        writePid(files.pidFile)
        stack.push('PID file', () => rmSync(files.pidFile, { force: true }))
        announce(mode, primary, log)
        await service.ended
      } finally {
        // Whoever asked for an end while the service was starting is answered too.
        if (service.isEnding) await service.ended
        await control.farewell()
      }
      log.info('Ended')
      return exitStatus.done
    } catch (error) {
      log.fatal({ reason: messageOf(error) }, 'The start failed')
      stack.releaseAll()
      throw error
    }
  } catch (error) {
    return fail(mode, name, error)
  }
}

/** The end of a service: asked for by many, done once. */
class Service {
  readonly #primary: Primary
  readonly #stack: ReleaseStack
  readonly #ended = deferred<void>()
  #ending: Promise<StopResult> | undefined

  constructor(primary: Primary, stack: ReleaseStack) {
    this.#primary = primary
    this.#stack = stack
  }

  /** Resolves when the service has ended and everything is released. */
  get ended(): Promise<void> {
    return this.#ended.promise
  }

  get isEnding(): boolean {
    return this.#ending !== undefined
  }

  /** Ends the service; `terminate` after `stop` cuts it short. */
  end(how: 'stop' | 'terminate', cause: string): Promise<StopResult> {
    if (how === 'terminate') void this.#primary.terminate(cause)
    this.#ending ??= this.#finish(cause)
    return this.#ending
  }

  async #finish(cause: string): Promise<StopResult> {
    const result = await this.#primary.stop(cause)
    this.#stack.releaseAll()
    this.#ended.resolve()
    return result
  }
}

interface Actors {
  readonly mode: Mode
  readonly log: Logger
  readonly primary: Primary
  readonly service: Service
  readonly stack: ReleaseStack
}

function act(action: SignalAction, signal: NodeJS.Signals, actors: Actors): void {
  const { mode, log, primary, service, stack } = actors
  log.info({ signal }, `Caught ${signal}`)
  switch (action) {
    case 'reload':
      void primary.reloadOnSignal(signal)
      return
    case 'stop':
      void service.end('stop', signal)
      return
    case 'terminate':
      void service.end('terminate', signal)
      return
    case 'interrupt':
      // A terminal's Ctrl-C; a daemon has no terminal.
      if (mode === 'foreground') void service.end(service.isEnding ? 'terminate' : 'stop', signal)
      return
    case 'resume':
      primary.resume()
      return
    case 'fatal':
      log.fatal({ signal }, `Ending on ${signal}`)
      stack.releaseAll()
      process.exit(128 + constants.signals[signal])
  }
}

/** An error that nobody expected leaves a state that nobody knows: tidy up, and let a new process start clean. */
function endOnFault(log: Logger, stack: ReleaseStack): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ error }, 'Uncaught exception')
    stack.releaseAll()
    process.exit(exitStatus.failed)
  })
}

/** The lock is ours, so whoever left these files behind is dead. */
function clearLeftovers(files: RunFiles, log: Logger): void {
  const pid = readPid(files.pidFile)
  const left = readdirSync(files.runDir)
  const leftovers = [files.pidFile, files.socketFile].filter((path) =>
    left.some((file) => path.endsWith(`/${file}`)),
  )
  for (const path of leftovers) rmSync(path, { force: true })
  if (leftovers.length > 0) {
    log.warn(
      { deadPid: pid, cleared: leftovers },
      `Cleared what process ${pid ?? '?'} left behind when it died`,
    )
  }
}

/** By temporary file and rename, so that nobody reads half a PID. */
function writePid(pidFile: string): void {
  const temporary = `${pidFile}.${process.pid}`
  writeFileSync(temporary, `${process.pid}\n`, { mode: 0o644 })
  renameSync(temporary, pidFile)
}

function announce(mode: Mode, primary: Primary, log: Logger): void {
  const { host, port } = primary.status(null).listen
  log.info(
    { host, port, workers: primary.config.workers, app: primary.config.appModule },
    'Serving',
  )
  if (mode === 'daemon') reportBoot({ outcome: 'serving', pid: process.pid, host, port })
}

function fail(mode: Mode, name: string, error: unknown): number {
  const message = messageOf(error)
  if (mode === 'daemon')
    reportBoot({ outcome: 'failed', code: codeOf(error) as ErrorCode | undefined, message })
  else process.stderr.write(`${name}: ${message}\n`)
  return exitStatusOf(error)
}
