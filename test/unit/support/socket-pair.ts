import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { within } from '../../helpers/wait-for.ts'

/** Both ends of one connection over the loopback interface. */
export interface SocketPair {
  readonly server: Socket
  readonly client: Socket
}

/** Connects two real sockets; both are destroyed after the test. */
export async function socketPair(t: TestContext): Promise<SocketPair> {
  const listener = createServer({ noDelay: true, allowHalfOpen: true })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('No TCP address')
  const accepted = once(listener, 'connection') as Promise<[Socket]>
  const client = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true })
  await once(client, 'connect')
  const [server] = await accepted
  listener.close()
  t.after(() => {
    client.destroy()
    server.destroy()
  })
  // A test that resets one end is not interested in the other's complaint.
  client.on('error', () => {})
  return { server, client }
}

/** Everything that arrives at a socket until its peer ends. */
export function received(socket: Socket): Promise<Buffer> {
  return within('the end of what a peer sends', buffer(socket))
}
