import { once } from 'node:events'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { within } from './wait-for.ts'

/** The parts of pm2's own client; pm2 publishes no types for them. */
interface Socket {
  connect(path: string): void
  close(): void
  on(event: string, act: (data: never) => void): void
}
interface Axon {
  socket(kind: 'req' | 'sub-emitter'): Socket
}
interface Rpc {
  Client: new (
    socket: Socket,
  ) => {
    call(
      method: string,
      params: object,
      answer: (error: Error | string | null, answer: unknown) => void,
    ): void
  }
}

const require = createRequire(import.meta.url)
const axon = require('pm2/modules/pm2-axon') as Axon
const { Client } = require('pm2/modules/pm2-axon-rpc') as Rpc

/**
 * Sends a request to a pm2 daemon over its socket, with pm2's own client and the requests of its command line: each
 * start of that costs half a second of processor time.
 *
 * @param home - its PM2_HOME
 */
async function ask(home: string, method: string, params: object): Promise<unknown> {
  const socket = axon.socket('req')
  // The socket reconnects by itself; if nobody answers, the time limit ends the request.
  socket.on('error', () => {})
  try {
    const answered = new Promise<unknown>((resolve, reject) => {
      new Client(socket).call(method, params, (error, answer) =>
        error === null || error === undefined
          ? resolve(answer)
          : reject(error instanceof Error ? error : new Error(error)),
      )
      socket.connect(join(home, 'rpc.sock'))
    })
    return await within("an answer of pm2's daemon", answered)
  } finally {
    socket.close()
  }
}

/** The daemon's processes, as `pm2 jlist` prints them. */
export function listOf(home: string): Promise<unknown> {
  return ask(home, 'getMonitorData', {})
}

/** Sends a signal to an app's processes, as `pm2 sendSignal` does. */
export async function sendSignal(
  home: string,
  signal: NodeJS.Signals,
  name: string,
): Promise<void> {
  await ask(home, 'sendSignalToProcessName', { signal, process_name: name })
}

/** Triggers an action in an app's only process, as `pm2 trigger` does, and returns its answer. */
export async function trigger(
  home: string,
  name: string,
  action: string,
  parameter?: string,
): Promise<unknown> {
  const bus = axon.socket('sub-emitter') as Socket & { readonly sock: NodeJS.EventEmitter }
  bus.sock.on('error', () => {})
  try {
    const connected = once(bus.sock, 'connect')
    bus.connect(join(home, 'pub.sock'))
    await within("pm2's bus", connected)
    const answered = new Promise<unknown>((resolve) => {
      bus.on('axm:reply', ({ data }: { data: { return: unknown } }) => resolve(data.return))
    })
    await ask(home, 'msgProcess', { name, msg: action, ...(parameter && { opts: parameter }) })
    return await within(`an answer to ${action}`, answered)
  } finally {
    bus.close()
  }
}
