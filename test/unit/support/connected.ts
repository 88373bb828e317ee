import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { type Clock, systemClock } from '../../../src/clock.ts'
import type { StreamHandle } from '../../../src/ipc/stream-handle.ts'
import { Alarm } from '../../../src/worker/alarm.ts'
import {
  Connection,
  type ConnectionLimits,
  type ConnectionOrigin,
} from '../../../src/worker/connection.ts'
import { HandleTransport } from '../../../src/worker/handle-transport.ts'
import { Lingerers } from '../../../src/worker/linger.ts'
import { NativeTransport } from '../../../src/worker/native-transport.ts'
import { type SocketOptions, SocketTransport } from '../../../src/worker/socket-transport.ts'
import type { Transport } from '../../../src/worker/transport.ts'
import { nativeModule, offer, place, queue, ticket } from './native-consumer.ts'
import { type Way, wayOf } from './over-each.ts'
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
  /** Ends the connection as a worker does when its handler has settled. */
  readonly conclude: () => void
}

type MakeTransport = (
  t: TestContext,
  server: Socket,
  options: SocketOptions,
  lingerers: Lingerers,
) => Transport

/** Makes a connection as a worker does; the client is the test's. */
export async function connected(
  t: TestContext,
  changes: Partial<ConnectionLimits & SocketOptions> = {},
  origin: ConnectionOrigin = {},
): Promise<Connected> {
  const clock = clockOf(t)
  const pair = await socketPair(t)
  const limits = { ...generous, ...changes }
  const alarms = {
    read: new Alarm(limits.readTimeoutMs, clock),
    deadline: new Alarm(limits.deadlineMs, clock),
    handshake: new Alarm(limits.handshakeTimeoutMs, clock),
  }
  const options = { keepAliveMs: 0, noDelay: true, lingerMs: 2_000, ...changes }
  const lingerers = new Lingerers(options.lingerMs, clock)
  const transport = transports[wayOf(t)](t, pair.server, options, lingerers)
  const connection = new Connection(7, transport, limits, alarms, origin)
  const conclude = () => {
    connection.release()
    connection.conclude()
  }
  return { ...pair, connection, conclude }
}

const transports: Record<Way, MakeTransport> = {
  socket: (_, server, options, lingerers) => new SocketTransport(server, options, lingerers),
  handle: handleTransport,
  native: nativeTransport,
}

/** Takes the socket off Node's stream. */
function handleTransport(
  t: TestContext,
  server: Socket,
  options: SocketOptions,
  lingerers: Lingerers,
): HandleTransport {
  const bare = server as Socket & { _handle: StreamHandle | null }
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
  const { _handle: handle } = bare
  assert.ok(handle !== null)
  handle.readStop()
  // By this, a stream knows whether it has begun to read.
  Object.assign(handle, { reading: false })
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
  bare._handle = null
  t.after(() => handle.close())
  return new HandleTransport(handle, options, lingerers, undefined, Buffer.alloc(0))
}

/** Passes the socket through a queue, as a primary does, and takes it as a worker does. */
function nativeTransport(
  t: TestContext,
  server: Socket,
  options: SocketOptions,
  lingerers: Lingerers,
): NativeTransport {
  const native = nativeModule()
  const { feeding, taking } = queue(t)
  const { consumer } = place(t, taking, (events) => transport.onEvents(events))
  offer(feeding, fdOf(server), ticket(1))
  server.destroy()
  const arena = Buffer.alloc(65_536)
  const first = native.take(consumer, arena)
  const way = { native, consumer, options, arena, onConcluded: () => {}, lingerers }
  const transport = new NativeTransport(way, undefined, first)
  setImmediate(() => transport.settle())
  const sweeping = setInterval(() => native.sweep(consumer), 5)
  t.after(() => clearInterval(sweeping))
  return transport
}

function fdOf(socket: Socket): number {
  // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
  return (socket as Socket & { _handle: { fd: number } })._handle.fd
}

/** A clock whose timers end with the test: that of an alarm outlives what it was set for, and keeps a process waiting. */
export function clockOf(t: TestContext): Clock {
  return {
    ...systemClock,
    setTimeout: (act, ms) => {
      const timer = systemClock.setTimeout(act, ms)
      t.after(() => systemClock.clearTimeout(timer))
      return timer
    },
  }
}
