import { codeOf } from '../errors.ts'
import { ControlClient } from './client.ts'

/**
 * Connects to the running service for as long as `use` takes, and to the process that becomes the service meanwhile:
 * `use` is called again when the one that it had asked leaves it undone.
 *
 * @param path - the control socket
 * @param signal - hangs up
 */
export async function callService<T>(
  path: string,
  use: (client: ControlClient) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  for (;;) {
    const client = await ControlClient.connect(path, signal)
    try {
      return await use(client)
    } catch (error) {
      if (codeOf(error) !== 'HANDED_OVER') throw error
    } finally {
      client.close()
    }
  }
}
