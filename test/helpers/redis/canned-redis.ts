import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import type { Cleanup } from '../cleanup.ts'

/**
 * Listens for clients of Redis, for what no real server can be made to say.
 *
 * @param answer - given each request as it arrives: its strings, as the protocol has them
 * @returns its port
 */
export async function listenAsRedis(
  t: Cleanup,
  answer: (socket: Socket, request: string) => void,
): Promise<number> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    // Its client ends without a word.
    socket.on('error', () => {})
    socket.on('data', (data) => {
      // A request is an array of strings; those of a connection's beginning come together.
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
 * Speaks as much of Redis's protocol as a client needs to ask what it is; for versions that nobody runs any more.
 *
 * @returns its port
 */
export async function startCannedRedis(t: Cleanup, version: string): Promise<number> {
  const info = `redis_version:${version}\r\nredis_mode:standalone\r\nrole:master\r\n`
  return listenAsRedis(t, (socket, request) => {
    if (/\r\ninfo\r\n/i.test(request)) socket.write(`$${info.length}\r\n${info}\r\n`)
    else if (/\r\nhello\r\n/i.test(request)) socket.write('-ERR unknown command `HELLO`\r\n')
    else socket.write('+OK\r\n')
  })
}
