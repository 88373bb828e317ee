import { ownEnvironment } from '../config/environment.ts'
import { type RunFiles, runFiles } from '../config/run-dir.ts'
import { ControlClient } from '../control/client.ts'
import { codeOf } from '../errors.ts'
import type { Options } from './options.ts'

export const filesOf = ({ name }: Options): RunFiles => runFiles(name, ownEnvironment())

/** Connects to the running service for as long as `use` takes. */
export async function withService<T>(
  options: Options,
  use: (client: ControlClient) => Promise<T>,
): Promise<T> {
  for (;;) {
    const client = await ControlClient.connect(filesOf(options).socketFile)
    try {
      return await use(client)
    } catch (error) {
      // Another process has become the service between the connection and the request.
      if (codeOf(error) !== 'HANDED_OVER') throw error
    } finally {
      client.close()
    }
  }
}
