import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { acceptHandles, type SocketHandle } from '../../../src/ipc/socket-handle.ts'
import { waitFor } from '../../helpers/wait-for.ts'

/** A handle without a system behind it, for tests of what a dispatcher decides. */
export class LooseHandle implements SocketHandle {
  isOpen = true
  isReset = false

  close(): void {
    this.isOpen = false
  }

  getpeername(into: { address?: string; port?: number }): number {
    if (this.isReset) return -107
    Object.assign(into, { address: '192.0.2.7', port: 4711 })
    return 0
  }
}

/** Both ends of one connection over the loopback interface, the server's as a primary has it. */
export interface HandlePair {
  readonly handle: SocketHandle
  readonly client: Socket
}

/** Connects a client; its end is destroyed after the test, the handle is closed. */
export async function handlePair(t: TestContext): Promise<HandlePair> {
  const handles: SocketHandle[] = []
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  acceptHandles(
    server,
    (handle) => handles.push(handle),
    (error) => {
      throw error
    },
  )
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('No TCP address')
  const client = connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true })
  client.on('error', () => {})
  const handle = await waitFor('the handle', () => handles[0])
  server.close()
  t.after(() => {
    client.destroy()
    handle.close()
  })
  return { handle, client }
}
