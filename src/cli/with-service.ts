import { ownEnvironment } from '../config/environment.ts'
import { checkRunDir, type RunFiles, runFiles } from '../config/run-dir.ts'
import { callService } from '../control/call.ts'
import { connectTo } from '../control/connect.ts'
import type { ControlClient } from '../control/control-client.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import { firstFew } from '../first-few.ts'
import { neighboursOf } from '../lock/neighbours.ts'
import type { Options } from './options.ts'

/**
 * The files of the named service.
 *
 * @throws HelloserverError `BAD_CONFIG` for a run directory that belongs to another user
 */
export function filesOf({ name }: Options): RunFiles {
  const files = runFiles(name, ownEnvironment())
  checkRunDir(files)
  return files
}

/**
 * Connects to the running service until `use` has settled, or until `signal` is aborted.
 *
 * @throws HelloserverError `NOT_RUNNING`, with the names of services that do run, and as `connectTo`
 */
export async function withService<T>(
  options: Options,
  use: (client: ControlClient) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const onGone = (message: string) => {
    if (options.isQuiet !== true) process.stderr.write(`${options.name}: ${message}\n`)
  }
  try {
    return await callService(() => connectTo(filesOf(options), { signal, onGone }), use)
  } catch (error) {
    throw codeOf(error) === 'NOT_RUNNING' && options.isQuiet !== true
      ? notRunning(options, error)
      : error
  }
}

/** Somebody who started `--example echo` may ask for the usual name. */
function notRunning(options: Options, cause: unknown): HelloserverError {
  const others = neighboursOf(filesOf(options))
  const hint =
    others.length === 0 ? '' : `; what runs here is ${firstFew(others, 5)}: name it by --name`
  return new HelloserverError('NOT_RUNNING', `Not running${hint}`, { cause })
}
