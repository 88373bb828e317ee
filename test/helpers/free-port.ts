import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'

/** A currently free port of 127.0.0.1, for a service that must come back to the same port. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
