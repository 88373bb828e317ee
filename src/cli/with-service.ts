import { ownEnvironment } from '../config/environment.ts'
import { type RunFiles, runFiles } from '../config/run-dir.ts'
import { callService } from '../control/call.ts'
import type { ControlClient } from '../control/client.ts'
import type { Options } from './options.ts'

export const filesOf = ({ name }: Options): RunFiles => runFiles(name, ownEnvironment())

/** Connects to the running service for as long as `use` takes, or until `signal` says so. */
export function withService<T>(
  options: Options,
  use: (client: ControlClient) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  return callService(filesOf(options).socketFile, use, signal)
}
