import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { codeOf } from '../../src/errors.ts'

/** A currently free port of 127.0.0.1, for a service that must come back to the same port. */
export async function freePort(): Promise<number> {
  return listenOnce(0)
}

/** A free port that the system gives no client, and so is not taken soon: below its local range (ip(7)). */
export async function quietPort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 30_000)
    if (await isFree(port)) return port
  }
}

/** Whether a port of 127.0.0.1 is free at this moment. */
export async function isFree(port: number): Promise<boolean> {
  try {
    await listenOnce(port)
    return true
  } catch (error) {
    if (codeOf(error) === 'EADDRINUSE') return false
    throw error
  }
}

/** Returns the port that it listened on. */
async function listenOnce(wanted: number): Promise<number> {
  const server = createServer().listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
