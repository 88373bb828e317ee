import type { ListenSettings } from '../config/listen.ts'
import { boundHandle, type ListeningHandle } from '../ipc/socket-handle.ts'
import { resolveHost } from '../network/resolve.ts'
import type { Logger } from '../telemetry/logger.ts'
import { listenFailure } from './listener.ts'
import type { GivenSocket } from './listeners.ts'
import { SocketFile } from './socket-file.ts'

/**
 * Binds the sockets of endpoints without listening, so that clients are refused as before: for a process that may not
 * bind them any more once it can listen.
 *
 * @param owner - who gets the files of Unix sockets for which the configuration names nobody, as in its `owner`
 * @throws HelloserverError as `listenFailure` states
 */
export async function bindAhead(
  listen: readonly ListenSettings[],
  owner: string,
  log: Logger,
): Promise<GivenSocket[]> {
  const given: GivenSocket[] = []
  for (const settings of listen) {
    const { endpoint } = settings
    let address: string | undefined
    try {
      if (endpoint.path === undefined) {
        address = await resolveHost(endpoint.host)
        const { port, ipv6Only = false } = endpoint
        const handle = boundHandle({ address, port, ipv6Only })
        given.push({ kind: 'passed', bound: { handle, ...endpoint, boundPort: port } })
      } else {
        const handle = await boundSocket(endpoint.path, settings, owner, log)
        given.push({ kind: 'passed', bound: { handle, ...endpoint } })
      }
    } catch (error) {
      for (const socket of given) if (socket.kind === 'passed') socket.bound.handle.close()
      throw listenFailure(error, endpoint, address)
    }
  }
  return given
}

async function boundSocket(
  path: string,
  { file }: ListenSettings,
  owner: string,
  log: Logger,
): Promise<ListeningHandle> {
  if (file === undefined) return boundHandle({ path })
  const permissions = { owner, ...file }
  const socket = new SocketFile(path, log)
  await socket.prepare(permissions)
  const handle = boundHandle({ path: socket.temporaryPath })
  socket.publish(permissions)
  return handle
}
