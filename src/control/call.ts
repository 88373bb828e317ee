import { codeOf } from '../errors.ts'
import type { ControlClient } from './control-client.ts'

/**
 * Connects to the running service for the duration of `use`. If the service moves to another process with the
 * work undone, calls `use` again with a connection to that process.
 *
 * @param connect - connects to the process that is the service at that moment
 */
export async function callService<T>(
  connect: () => Promise<ControlClient>,
  use: (client: ControlClient) => Promise<T>,
): Promise<T> {
  for (;;) {
    const client = await connect()
    try {
      return await use(client)
    } catch (error) {
      if (codeOf(error) !== 'HANDED_OVER') throw error
    } finally {
      client.close()
    }
  }
}
