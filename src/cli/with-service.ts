import { ownEnvironment } from '../config/environment.ts'
import { checkRunDir, type RunFiles, runFiles } from '../config/run-dir.ts'
import { callService } from '../control/call.ts'
import { connectTo } from '../control/connect.ts'
import type { ControlClient } from '../control/control-client.ts'
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

/** Connects to the running service until `use` has settled, or until `signal` is aborted. */
export function withService<T>(
  options: Options,
  use: (client: ControlClient) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const onGone = (message: string) => {
    if (options.isQuiet !== true) process.stderr.write(`${options.name}: ${message}\n`)
  }
  return callService(() => connectTo(filesOf(options), { signal, onGone }), use)
}
