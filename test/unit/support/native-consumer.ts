import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { NativeSocket } from '../../../src/connections/native-socket.ts'
import type { SocketHandle } from '../../../src/ipc/socket-handle.ts'
import { PageReader, PageWriter, pageBytes } from '../../../src/ipc/worker-page.ts'
import {
  type Consumer,
  loadNative,
  type NativeModule,
  ticketBytes,
} from '../../../src/native/native.ts'

/** The module; fails where it is left out. */
export function nativeModule(): NativeModule {
  const { module, reason } = loadNative()
  if (module === undefined) throw new Error(reason)
  return module
}

/** A queue, whose ends are closed after the test. */
export function queue(t: TestContext, bytes = 4_096) {
  const native = nativeModule()
  const ends = native.openQueue(bytes)
  if (typeof ends === 'number') throw new Error(`openQueue: ${ends}`)
  t.after(() => ends.forEach((fd) => native.close(fd)))
  const [feeding, taking] = ends
  return { feeding, taking }
}

/** The ticket of a connection. */
export function ticket(turn: number, id = turn, nonce = 0): Uint8Array {
  const bytes = new Uint8Array(ticketBytes)
  const view = new DataView(bytes.buffer)
  view.setFloat64(0, turn, true)
  view.setFloat64(8, id, true)
  view.setUint32(16, nonce, true)
  return bytes
}

/**
 * Puts a copy of one socket into the queue; 0 or -errno.
 *
 * @param message - its ticket, and perhaps a preface
 */
export function offer(feeding: number, socket: number, message: Uint8Array): number {
  const native = nativeModule()
  const copy = native.duplicate(socket)
  const moved = native.offer(
    feeding,
    Int32Array.of(copy),
    message,
    Int32Array.of(message.length),
    1,
  )
  if (moved === 1) return 0
  native.close(copy)
  return moved
}

/** Takes the first connection out of the queue: its descriptor and its message; undefined when there is none. */
export function recall(taking: number): { fd: number; message: Buffer } | undefined {
  const into = Buffer.alloc(65_536)
  const received = nativeModule().receive(taking, into, false)
  if (typeof received === 'number') return undefined
  return { fd: received.fds[0] ?? -1, message: Buffer.from(into.subarray(0, received.bytes)) }
}

/** A worker's place at a queue, in the test's own process, with the primary's view of its page. */
export interface Place {
  readonly consumer: Consumer
  readonly writer: PageWriter
  readonly reader: PageReader
  readonly bell: number
}

/** Takes a place at the queue. Its page permits everything. */
export function place(
  t: TestContext,
  taking: number,
  onEvents: (events: number) => void = () => {},
): Place {
  const native = nativeModule()
  const page = native.openPage(pageBytes, false, 'page')
  if (typeof page === 'number') throw new Error(`openPage: ${page}`)
  const bell = native.openBell()
  const own = native.duplicate(taking)
  const reader = new PageReader(page.memory)
  reader.permit(Number.POSITIVE_INFINITY)
  const made = native.openConsumer(own, page.fd, bell, pageBytes, onEvents)
  if (typeof made === 'number') throw new Error(`openConsumer: ${made}`)
  t.after(() => {
    native.drop(made.consumer)
    native.close(own)
    native.close(bell)
  })
  return { consumer: made.consumer, writer: new PageWriter(made.memory), reader, bell }
}

/** Takes a socket over from Node. */
export function nativeSocketOf(handle: SocketHandle): NativeSocket {
  const socket = NativeSocket.from(nativeModule(), handle)
  assert.ok(typeof socket !== 'number')
  return socket
}
