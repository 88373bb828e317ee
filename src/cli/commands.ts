import { accessSync, constants } from 'node:fs'
import { ownEnvironment } from '../config/environment.ts'
import type { LogLevel } from '../config/log-levels.ts'
import { stopService } from '../control/stop.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import { fileError } from '../files/file-error.ts'
import type { InitOptions } from '../init/init.ts'
import { launch, namedPrimary } from '../launch/launch.ts'
import { LogFollower } from '../telemetry/log-follower.ts'
import { lastLines } from '../telemetry/log-part.ts'
import { visibleLines } from '../visible-text.ts'
import { currentStatus } from './current-status.ts'
import { DrainProgress } from './drain-progress.ts'
import type { FleetRequest } from './fleet-command.ts'
import { locateApp, type WithExample } from './locate-app.ts'
import type { Forcible, Options } from './options.ts'
import { print } from './output.ts'
import { statusView, workersView } from './status-view.ts'
import type { TopOptions } from './top/top.ts'
import { filesOf, withService } from './with-service.ts'

async function start(options: Options & WithExample): Promise<void> {
  locateApp(options)
  const started = await launch(filesOf(options), ownEnvironment())
  const does =
    started.outcome === 'serving'
      ? `serves on ${started.endpoints.join(', ')}`
      : `stands by (${started.reason})`
  print(options, started, `${options.name} ${does} as process ${started.pid}`)
}

async function stop(options: Options & Forcible): Promise<void> {
  const force = isForced(options)
  const progress = new DrainProgress(options.name)
  const result = await withService(options, (client) =>
    stopService(client, filesOf(options), progress, force),
  ).finally(() => progress.clear())
  const cut = result.dropped === 0 ? '' : `; ${result.dropped} connections were cut short`
  print(options, result, `${options.name} stopped${cut}`)
}

/** Returns the `force` option, and warns which safeguard is skipped. */
function isForced({ name, force = false }: Options & Forcible): boolean {
  if (force) process.stderr.write(`${name}: forced: not waiting for a permit of the fleet\n`)
  return force
}

async function restart(options: Options & Forcible & WithExample): Promise<void> {
  // Before the stop: a service that cannot be started again is to go on.
  locateApp(options)
  const { readConfiguration } = await import('./check.ts')
  readConfiguration(options)
  try {
    await stop(options)
  } catch (error) {
    // A service that is not running needs no stopping.
    if (!(error instanceof HelloserverError) || error.code !== 'NOT_RUNNING') throw error
  }
  await start(options)
}

async function reload(options: Options & Forcible): Promise<void> {
  const force = isForced(options)
  const result = await withService(options, (client) => client.request('reload', { force }))
  if (result.outcome === 'failed') {
    throw new HelloserverError(
      'RELOAD_FAILED',
      `The reload failed; the old generation keeps serving: ${result.reason}`,
    )
  }
  print(options, result, `${options.name} reloaded in ${result.durationMs} ms`)
}

async function upgrade(options: Options): Promise<void> {
  const result = await withService(options, (client) =>
    client.request('upgrade', { program: namedPrimary() }),
  )
  if (result.outcome === 'failed') {
    throw new HelloserverError(
      'RELOAD_FAILED',
      `The upgrade failed; the old primary keeps serving: ${result.reason}`,
    )
  }
  const { pid, version } = await currentStatus(options)
  const view = `${options.name} upgraded in ${result.durationMs} ms: process ${pid} serves, version ${version}`
  print(options, { ...result, pid, version }, view)
}

async function status(options: Options): Promise<void> {
  const result = await currentStatus(options)
  print(options, result, statusView(result))
}

async function workers(options: Options): Promise<void> {
  const result = await currentStatus(options)
  print(options, result.workers, workersView(result.workers))
}

async function scale(count: number, options: Options): Promise<void> {
  const result = await withService(options, (client) => client.request('scale', { workers: count }))
  print(options, result, `${options.name} has ${result.workers} workers until the next reload`)
}

async function logLevel(level: LogLevel, options: Options): Promise<void> {
  const result = await withService(options, (client) => client.request('log-level', { level }))
  print(options, result, `${options.name} logs at level ${level} until the next reload`)
}

async function logs(options: Options, lines: number, follow: boolean): Promise<void> {
  const { logFile: path } = filesOf(options)
  mustBeReadable(path)
  const { lines: last, ...position } = lastLines(path, lines)
  const shown = await logView(options)
  const show = (bytes: Buffer) =>
    new Promise<void>((resolve, reject) => {
      process.stdout.write(shown(bytes), (error) => (error ? reject(error) : resolve()))
    })
  try {
    await show(last)
    if (!follow) return
    await new LogFollower({ path, ...position, show }).follow(new AbortController().signal)
  } catch (error) {
    // The reader, such as `head`, has seen enough.
    if (codeOf(error) !== 'EPIPE') throw error
  }
}

/** Distinguishes a log that another user owns from one that does not exist. */
function mustBeReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw fileError('CONTROL_FAILED', 'read the log', path, error)
    throw new HelloserverError(
      'NOT_RUNNING',
      `There is no log at ${path}; the daemon has not run yet`,
      { cause: error },
    )
  }
}

/** Returns the view of log lines: raw for programs, readable on a terminal. */
async function logView({ json }: Options): Promise<(lines: Buffer) => Buffer | string> {
  if (!process.stdout.isTTY) return (lines) => lines
  if (json) return (lines) => visibleLines(lines.toString())
  const { prettyLine } = await import('../telemetry/pretty.ts')
  const pretty = prettyLine(process.stdout.hasColors())
  return (lines) => lines.toString().split('\n').filter(Boolean).map(pretty).join('')
}

/** Loaded on demand: no other command should have to wait for the Redis client. */
async function fleet(request: FleetRequest, options: Options): Promise<void> {
  const { fleet: perform } = await import('./fleet-command.ts')
  await perform(request, options)
}

/** Loaded on demand: no other command should have to wait for the views. */
async function top(options: TopOptions): Promise<void> {
  const { top: show } = await import('./top/top.ts')
  await show(options)
}

/** Loaded on demand: no other command should have to wait for the code that reads configurations and apps. */
async function check(options: Options & WithExample): Promise<void> {
  const { checkService } = await import('./check.ts')
  await checkService(options)
}

/** For `check` alone: loads the app in a process of its own. */
async function loadApp(path: string, withinMs: number, options: Options): Promise<never> {
  const { loadAndExit } = await import('./app-trial.ts')
  return loadAndExit(path, withinMs, options)
}

/** Loaded on demand: it is used once in the life of a project. */
async function init(options: InitOptions): Promise<void> {
  const { init: make } = await import('../init/init.ts')
  await make(options)
}

/** The commands; each resolves when its request has been carried out. */
export const commands = {
  start,
  stop,
  restart,
  reload,
  upgrade,
  status,
  workers,
  scale,
  logLevel,
  check,
  loadApp,
  init,
  fleet,
  logs,
  top,
}
