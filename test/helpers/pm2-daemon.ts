import { createRequire } from 'node:module'
import { join } from 'node:path'
import { within } from './wait-for.ts'

/** What pm2's own client is made of; pm2 publishes no types for either. */
interface Axon {
  socket(kind: 'req'): {
    connect(path: string): void
    close(): void
    on(event: 'error', act: () => void): void
  }
}
interface Rpc {
  Client: new (
    socket: ReturnType<Axon['socket']>,
  ) => {
    call(method: string, params: object, answer: (error: Error | null, list: unknown) => void): void
  }
}

const require = createRequire(import.meta.url)
const axon = require('pm2/modules/pm2-axon') as Axon
const { Client } = require('pm2/modules/pm2-axon-rpc') as Rpc

/**
 * The processes that a pm2 daemon lists, as `pm2 jlist` prints them.
 *
 * Asks the daemon on its socket, with pm2's own client: tests poll this, and each start of the command line
 * costs a second of processor time.
 *
 * @param home - its PM2_HOME
 */
export async function listOf(home: string): Promise<unknown> {
  const socket = axon.socket('req')
  // It connects again by itself; when nobody answers, the time is what ends it.
  socket.on('error', () => {})
  try {
    const listed = new Promise<unknown>((resolve, reject) => {
      new Client(socket).call('getMonitorData', {}, (error, list) =>
        error === null || error === undefined ? resolve(list) : reject(error),
      )
      socket.connect(join(home, 'rpc.sock'))
    })
    return await within("an answer of pm2's daemon", listed)
  } finally {
    socket.close()
  }
}
