import type { TestContext } from 'node:test'
import { Alarm } from '../../../src/worker/alarm.ts'
import {
  Connection,
  type ConnectionLimits,
  type ConnectionOrigin,
} from '../../../src/worker/connection.ts'
import { SocketTransport, type SocketOptions } from '../../../src/worker/socket-transport.ts'
import { type SocketPair, socketPair } from './socket-pair.ts'

/** Limits that no test meets unless it hangs, which then fails. */
export const generous: ConnectionLimits = {
  maxLineBytes: 1_024,
  readTimeoutMs: 20_000,
  deadlineMs: 20_000,
  handshakeTimeoutMs: 20_000,
  lineEnding: 'crlf',
}

/** A connection on one end of a real pair of sockets. */
export interface Connected extends SocketPair {
  readonly connection: Connection
}

/** Makes a connection as a worker does; the client is the test's. */
export async function connected(
  t: TestContext,
  changes: Partial<ConnectionLimits & SocketOptions> = {},
  origin: ConnectionOrigin = {},
): Promise<Connected> {
  clearTimersAfter(t)
  const pair = await socketPair(t)
  const limits = { ...generous, ...changes }
  const alarms = {
    read: new Alarm(limits.readTimeoutMs),
    deadline: new Alarm(limits.deadlineMs),
    handshake: new Alarm(limits.handshakeTimeoutMs),
  }
  const transport = new SocketTransport(pair.server, { keepAliveMs: 0, noDelay: true, ...changes })
  return { ...pair, connection: new Connection(7, transport, limits, alarms, origin) }
}

/** An alarm's timer outlives what it was set for; here it would keep the test's process waiting. */
function clearTimersAfter(t: TestContext): void {
  const { mock } = t.mock.method(globalThis, 'setTimeout')
  t.after(() => {
    for (const { result } of mock.calls) clearTimeout(result)
  })
}
