import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Cleanup } from '../cleanup.ts'

/**
 * Listens for Redis clients, to give answers that no real server can be made to give.
 *
 * @param answer - called with each request as it arrives, as the strings of the protocol
 * @returns its port
 */
export async function listenAsRedis(
  t: Cleanup,
  answer: (socket: Socket, request: string) => void,
): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    // The client closes without notice.
    socket.on('error', () => {})
    socket.on('data', (data) => {
      // A request is an array of strings; those at the beginning of a connection arrive together.
      const requests = data.toString().split(/^\*\d+\r\n/m)
      for (const request of requests.slice(1)) answer(socket, request)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  return (server.address() as AddressInfo).port
}

/**
 * Speaks as much of the Redis protocol as a client needs to find out the version; for versions that nobody runs any
 * more, or yet.
 *
 * @param valkey - the version of Valkey, which has `version` for clients that only know Redis
 * @returns its port
 */
export async function startCannedRedis(
  t: Cleanup,
  version: string,
  valkey?: string,
): Promise<number> {
  const fork = valkey === undefined ? '' : `valkey_version:${valkey}\r\n`
  const info = `redis_version:${version}\r\n${fork}redis_mode:standalone\r\nrole:master\r\n`
  return listenAsRedis(t, (socket, request) => {
    if (/\r\ninfo\r\n/i.test(request)) socket.write(`$${info.length}\r\n${info}\r\n`)
    else if (/\r\nhello\r\n/i.test(request)) socket.write('-ERR unknown command `HELLO`\r\n')
    else socket.write('+OK\r\n')
  })
}
