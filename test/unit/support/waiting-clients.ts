import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { listeningHandle } from '../../../src/ipc/socket-handle.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { nativeModule } from './native-consumer.ts'

/** A listening socket from which nobody accepts. */
export async function listening(t: TestContext, host = '127.0.0.1') {
  const native = nativeModule()
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const fd = native.duplicate(listeningHandle(server).fd)
  // The socket goes on by the other descriptor.
  server.close()
  t.after(() => native.close(fd))
  return { fd, host, port }
}

export type Listening = Awaited<ReturnType<typeof listening>>

/** Connects so many clients, which wait to be accepted. */
export async function arriving(t: TestContext, at: Listening, count = 1): Promise<Socket[]> {
  const native = nativeModule()
  const before = native.backlogOf(at.fd)
  const clients = Array.from({ length: count }, () => connect(at.port, at.host))
  t.after(() => clients.forEach((client) => client.destroy()))
  for (const client of clients) client.on('error', () => {})
  await Promise.all(clients.map((client) => once(client, 'connect')))
  await waitFor('clients that wait', () => native.backlogOf(at.fd) === before + count)
  return clients
}
