import type { QueueEnds } from '../connections/kernel-queue.ts'
import type { BoundEndpoint } from '../endpoint.ts'
import type { BoundListener } from '../ipc/socket-handle.ts'
import type { NativeModule } from '../native/native.ts'

/** The memory that the message may take in the kernel. */
const roomBytes = 131_072

/** More than the message has. */
const mostBytes = 65_536

/** What a primary leaves to the next one; the descriptors belong to whoever has read it. */
export interface LegacyContent {
  readonly ledger: number
  readonly queue: QueueEnds
  /** The Unix socket at which its workers wait for the next one. */
  readonly socket: number
  readonly listeners: readonly { readonly fd: number; readonly bound: BoundEndpoint }[]
}

/**
 * What a primary leaves to the next one, kept by the kernel: a message with descriptors in a socket pair, of which every
 * worker has inherited one end. It is there as long as one of them lives, and the listening sockets and the queue with
 * it; no worker has to do anything for that.
 */
export class Legacy {
  readonly #native: NativeModule
  /** Workers inherit this end. */
  readonly fd: number
  readonly #sending: number
  #hasMessage = false

  /** @throws Error when the system gives no descriptors */
  constructor(native: NativeModule) {
    const pair = native.openQueue(roomBytes)
    if (typeof pair === 'number') throw new Error(`Cannot open a socket pair: ${pair}`)
    const [sending, fd] = pair
    this.#native = native
    this.#sending = sending
    this.fd = fd
  }

  /**
   * Replaces what is left.
   *
   * @param socket - at which the workers are to wait for the next primary
   * @throws Error when the system does not take it
   */
  leave(
    ledger: number,
    { feeding, taking }: QueueEnds,
    socket: number,
    listeners: readonly BoundListener[],
  ): void {
    const fds = [ledger, feeding, taking, socket, ...listeners.map(({ handle }) => handle.fd)]
    const withoutHandles = (key: string, value: unknown) => (key === 'handle' ? undefined : value)
    const message = Buffer.from(JSON.stringify(listeners, withoutHandles))
    const result = this.#native.pass(this.#sending, message, Int32Array.from(fds))
    if (result < 0) throw new Error(`Cannot leave the sockets to the workers: sendmsg ${result}`)
    // The next primary reads the first message: until now, that was the one before.
    if (this.#hasMessage) discardLegacy(this.#native, this.fd)
    this.#hasMessage = true
  }
}

/**
 * Reads what a primary has left, which stays where it is.
 *
 * @returns undefined when it cannot be read, or is anything else; nothing is open then
 */
export function readLegacy(native: NativeModule, fd: number): LegacyContent | undefined {
  const bytes = Buffer.alloc(mostBytes)
  const received = native.receive(fd, bytes, true)
  if (typeof received === 'number') return undefined
  const [ledger = -1, feeding = -1, taking = -1, socket = -1, ...sockets] = received.fds
  const endpoints = decode(bytes.toString('utf8', 0, received.bytes))
  if (socket < 0 || endpoints?.length !== sockets.length) {
    for (const each of received.fds) native.close(each)
    return undefined
  }
  const listeners = endpoints.map((bound, at) => ({ fd: sockets[at] ?? -1, bound }))
  return { ledger, queue: { feeding, taking }, socket, listeners }
}

/** The socket at which workers are to wait for the next primary; undefined when nothing can be read. */
export function rescueSocketIn(native: NativeModule, fd: number): number | undefined {
  const content = readLegacy(native, fd)
  return content && only([content.socket], native, content)[0]
}

/** The listening sockets that a primary has left, in its order; undefined when nothing can be read. */
export function listenersIn(native: NativeModule, fd: number): readonly number[] | undefined {
  const content = readLegacy(native, fd)
  const wanted = content?.listeners.map((one) => one.fd)
  return content && wanted && only(wanted, native, content)
}

/** Closes all others. */
function only(
  wanted: readonly number[],
  native: NativeModule,
  { ledger, queue, socket, listeners }: LegacyContent,
): readonly number[] {
  const all = [ledger, queue.feeding, queue.taking, socket, ...listeners.map((one) => one.fd)]
  for (const each of all) if (!wanted.includes(each)) native.close(each)
  return wanted
}

/** Takes out what was left, and closes it. */
export function discardLegacy(native: NativeModule, fd: number): void {
  const received = native.receive(fd, Buffer.alloc(mostBytes), false)
  if (typeof received !== 'number') for (const each of received.fds) native.close(each)
}

function decode(text: string): BoundEndpoint[] | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every(isBoundEndpoint) ? value : undefined
  } catch {
    // The caller ignores it.
    return undefined
  }
}

function isBoundEndpoint(value: unknown): value is BoundEndpoint {
  if (typeof value !== 'object' || value === null) return false
  const { path, host, port, boundPort, ipv6Only } = value as Record<string, unknown>
  if (path !== undefined) return typeof path === 'string'
  const isTcp = typeof host === 'string' && isPort(port) && isPort(boundPort)
  return isTcp && (ipv6Only === undefined || ipv6Only === true)
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 65_535
}
