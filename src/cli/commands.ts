import { existsSync } from 'node:fs'
import { ownEnvironment } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { type RunFiles, runFiles } from '../config/run-dir.ts'
import { ControlClient } from '../control/client.ts'
import { stopService } from '../control/stop.ts'
import { HelloserverError } from '../errors.ts'
import { launch } from '../launch/launch.ts'
import { LogFollower, lastLines } from '../telemetry/log-follower.ts'
import { loadApp } from '../app/load.ts'
import { print } from './output.ts'
import { statusView, workersView } from './status-view.ts'

/** What every command takes. */
export interface Options {
  readonly name: string
  readonly json: boolean
}

const filesOf = ({ name }: Options): RunFiles => runFiles(name, ownEnvironment())

/** Connects to the running service for as long as `use` takes. */
async function withService<T>(
  options: Options,
  use: (client: ControlClient) => Promise<T>,
): Promise<T> {
  const client = await ControlClient.connect(filesOf(options).socketFile)
  try {
    return await use(client)
  } finally {
    client.close()
  }
}

async function start(options: Options): Promise<void> {
  const serving = await launch(filesOf(options), ownEnvironment())
  const { host, port, pid } = serving
  print(options, serving, `${options.name} serves on ${host}:${port} as process ${pid}`)
}

async function stop(options: Options): Promise<void> {
  const result = await withService(options, stopService)
  const cut = result.dropped === 0 ? '' : `; ${result.dropped} connections were cut short`
  print(options, result, `${options.name} stopped${cut}`)
}

async function restart(options: Options): Promise<void> {
  try {
    await stop(options)
  } catch (error) {
    // What is not running needs no stopping.
    if (!(error instanceof HelloserverError) || error.code !== 'NOT_RUNNING') throw error
  }
  await start(options)
}

async function reload(options: Options): Promise<void> {
  const result = await withService(options, (client) => client.request('reload', {}))
  if (result.outcome === 'failed') {
    throw new HelloserverError(
      'RELOAD_FAILED',
      `The reload failed and the old generation goes on serving: ${result.reason}`,
    )
  }
  print(options, result, `${options.name} reloaded in ${result.durationMs} ms`)
}

async function status(options: Options): Promise<void> {
  const result = await withService(options, (client) => client.request('status', {}))
  print(options, result, statusView(result))
}

async function workers(options: Options): Promise<void> {
  const result = await withService(options, (client) => client.request('status', {}))
  print(options, result.workers, workersView(result.workers))
}

async function scale(count: number, options: Options): Promise<void> {
  const result = await withService(options, (client) => client.request('scale', { workers: count }))
  print(options, result, `${options.name} has ${result.workers} workers until the next reload`)
}

async function check(options: Options): Promise<void> {
  const environment = ownEnvironment()
  runFiles(options.name, environment)
  const config = loadConfig(options.name, environment)
  await loadApp(config.appModule)
  print(options, config, `${config.path} is good, and the app ${config.appModule} loads`)
}

async function logs(options: Options, lines: number, follow: boolean): Promise<void> {
  const { logFile: path } = filesOf(options)
  if (!existsSync(path)) {
    throw new HelloserverError(
      'NOT_RUNNING',
      `There is no log at ${path}; the daemon has not run yet`,
    )
  }
  const last = lastLines(path, lines)
  const show = (bytes: Buffer) =>
    new Promise<void>((resolve) => {
      process.stdout.write(bytes, () => resolve())
    })
  await show(last.lines)
  if (!follow) return
  await new LogFollower({ path, offset: last.end, show }).follow(new AbortController().signal)
}

/** The commands, each resolving when what it asked for has happened. */
export const commands = { start, stop, restart, reload, status, workers, scale, check, logs }
