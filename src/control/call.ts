import { codeOf } from '../errors.ts'
import type { ControlClient } from './client.ts'

/**
 * Connects to the running service for as long as `use` takes, and to the process that becomes the service meanwhile:
 * `use` is called again when the one that it had asked leaves it undone.
 *
 * @param connect - gets a connection to the process that is the service at that moment
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
