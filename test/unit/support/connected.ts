import type { TestContext } from 'node:test'
import { Alarm } from '../../../src/worker/alarm.ts'
import { Connection, type ConnectionLimits } from '../../../src/worker/connection.ts'
import { Lingerers } from '../../../src/worker/linger.ts'
import { SocketTransport, type SocketOptions } from '../../../src/worker/socket-transport.ts'
import { type SocketPair, socketPair } from './socket-pair.ts'

/** Limits that no test meets unless it hangs, which then fails. */
export const generous: ConnectionLimits = {
  maxLineBytes: 1_024,
  readTimeoutMs: 20_000,
  deadlineMs: 20_000,
  lineEnding: 'crlf',
}

/** A connection on one end of a real pair of sockets. */
export interface Connected extends SocketPair {
  readonly connection: Connection
  /** Ends the connection as a worker does when its handler has settled. */
  readonly conclude: () => void
}

/** Makes a connection as a worker does; the client is the test's. */
export async function connected(
  t: TestContext,
  changes: Partial<ConnectionLimits & SocketOptions> = {},
): Promise<Connected> {
  clearTimersAfter(t)
  const pair = await socketPair(t)
  const limits = { ...generous, ...changes }
  const alarms = { read: new Alarm(limits.readTimeoutMs), deadline: new Alarm(limits.deadlineMs) }
  const transport = new SocketTransport(
    pair.server,
    { keepAliveMs: 0, noDelay: true, ...changes },
    new Lingerers(2_000),
  )
  const connection = new Connection(7, transport, limits, alarms)
  const conclude = () => {
    connection.release()
    transport.conclude()
  }
  return { ...pair, connection, conclude }
}

/** An alarm's timer outlives what it was set for; here it would keep the test's process waiting. */
function clearTimersAfter(t: TestContext): void {
  const { mock } = t.mock.method(globalThis, 'setTimeout')
  t.after(() => {
    for (const { result } of mock.calls) clearTimeout(result)
  })
}
