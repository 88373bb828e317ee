import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { getSystemErrorName } from 'node:util'
import { messageOf } from '../errors.ts'
import { isWhole } from './shared-object.ts'

/** The version of the functions below: `MODULE_VERSION` in native.h. */
const moduleVersion = 6

/** Outcomes of `take` and `peek` besides -errno: `take_code` in native.h. */
export const takeCodes = {
  /** Nobody is in the queue. */
  nobody: -10_001,
  /** The primary may not hand out connections at this moment. */
  notPermitted: -10_002,
  /** This process has no descriptor left. */
  noDescriptor: -10_003,
  /** The connection was lost on its way. */
  lost: -10_004,
  /** The queue cannot be read, or a listening socket. */
  broken: -10_005,
  /** Workers accept by themselves, from listening sockets that this one has yet to learn. */
  otherListeners: -10_006,
} as const

/** errno(3) on Linux, negative, as the functions return it. */
export const errnos = {
  again: -11,
  brokenPipe: -32,
  notConnected: -107,
  tooManyRefs: -109,
  connectionRefused: -111,
} as const

/** How many connections `offer` takes at a time: `MOST_OFFERED` in queue.c. */
export const mostOffered = 32

/** The bytes of a connection's ticket: turn and id as doubles, nonce and endpoint as 32 bits. */
export const ticketBytes = 24
/** Where the page has what the module reads and the kernel writes: `page_head` in native.h. */
export const pageOffsets = {
  permitUntilMs: 0,
  grantedIds: 32,
  gate: 48,
  granted: 52,
  nonce: 56,
  listeners: 60,
  ticket: 64,
  endpoints: 88,
  peer: 96,
} as const
/** How many connections a worker is granted at a time: `GRANT_SIZE` in native.h. */
export const grantSize = 256
/** The most listening sockets from which workers accept by themselves: `MOST_LISTENERS` in native.h. */
export const mostListeners = 4
/** The bytes of an address that `accept` writes. */
export const addressBytes = 32

/** What no process can do to a page: change its size; write to it, unless it has done so before (fcntl(2)). */
export const seals = { size: 0x07, writing: 0x10 } as const

/** The events of `setEvents` and of a watch. */
export const watched = { readable: 1, writable: 2 } as const
/** The events of a consumer. */
export const consumerEvents = {
  readable: 1,
  writable: 2,
  rung: 4,
  hangup: 8,
  arrived: 16,
} as const

declare const watchTag: unique symbol
declare const consumerTag: unique symbol
/** Objects of the module. */
export type Watch = { readonly [watchTag]: true }
export type Consumer = { readonly [consumerTag]: true }

/** An address as text, or -errno. */
export type AddressOrErrno = { readonly address: string; readonly port: number } | number

/** What `receive` has got. */
export interface Received {
  /** How many bytes; 0 at the end. */
  readonly bytes: number
  readonly fds: number[]
}

/**
 * The native module; each function is documented where it is written, in src/native/*.c. Those that return a number
 * return -errno when they fail, and throw only for arguments of a wrong kind.
 */
export interface NativeModule {
  readonly version: number
  // queue.c
  openQueue(bytes: number): [number, number] | number
  setQueueRoom(end: number, bytes: number): number
  offer(
    end: number,
    sockets: Int32Array,
    messages: Uint8Array,
    lengths: Int32Array,
    count: number,
  ): number
  peek(end: number, ticket: Uint8Array): number
  // page.c
  openPage(
    bytes: number,
    isOwn: boolean,
    name: string,
  ): { readonly fd: number; readonly memory: ArrayBuffer } | number
  sealsOf(fd: number): number
  mapPage(fd: number, bytes: number): ArrayBuffer | number
  openBell(): number
  ring(bell: number): number
  // sockets.c
  accept(listener: number, fds: Int32Array, addresses: Uint8Array): number
  peerOf(socket: number): AddressOrErrno
  localOf(socket: number): AddressOrErrno
  addressOf(address: Uint8Array): AddressOrErrno
  isListening(fd: number): number
  backlogOf(listener: number): number
  stopListening(listener: number): number
  duplicate(fd: number): number
  close(fd: number): number
  // watch.c
  watch(fd: number, onEvents: (events: number) => void): Watch | number
  setEvents(watch: Watch, events: number): number
  unwatch(watch: Watch): void
  // rescue.c
  listenAt(path: string): number
  connectTo(path: string): number
  pass(socket: number, bytes: Uint8Array, fds: Int32Array): number
  receive(socket: number, into: Uint8Array, stays: boolean): Received | number
  // consumer.c
  openConsumer(
    queue: number,
    page: number,
    bell: number,
    pageBytes: number,
    onEvents: (events: number) => void,
  ): { readonly consumer: Consumer; readonly memory: ArrayBuffer } | number
  now(): number
  take(consumer: Consumer, into: Uint8Array): number
  learnListeners(consumer: Consumer, fds: Int32Array, number: number): void
  leaveGate(consumer: Consumer): void
  read(consumer: Consumer, into: Uint8Array): number
  send(consumer: Consumer, bytes: Uint8Array, from: number): number
  push(consumer: Consumer, noDelay: boolean): void
  arm(consumer: Consumer): number
  shutdown(consumer: Consumer): number
  finish(consumer: Consumer, lingerMs: number): number
  sweep(consumer: Consumer): number
  drop(consumer: Consumer): void
  detach(consumer: Consumer): number
  descriptor(consumer: Consumer): number
  setKeepAlive(consumer: Consumer, seconds: number): number
  setNoDelay(consumer: Consumer, isOn: boolean): number
}

/** The module, or the reason why it is not used. */
export type Loaded =
  | { readonly module: NativeModule; readonly reason: string }
  | { readonly module: undefined; readonly reason: string }

let loaded: Loaded | undefined

/** Loads the module, once, and tries it: the kernel, the ABI or a filter of system calls may refuse any part of it. */
export function loadNative(): Loaded {
  loaded ??= load()
  return loaded
}

/** Where the module may be: built here, or shipped with the package. */
const places = [
  './helloserver.node',
  `../../../prebuilds/${process.platform}-${process.arch}.node`,
].map((place) => fileURLToPath(new URL(place, import.meta.url)))

function load(): Loaded {
  if (process.platform !== 'linux') return unused(`there is none for ${process.platform}`)
  const place = places.find((one) => existsSync(one))
  if (place === undefined) {
    return unused(`it is neither built nor shipped for ${process.platform}-${process.arch}`)
  }
  try {
    if (!isWhole(place)) return unused(`${place} was cut short: build or install it again`)
    const module = createRequire(import.meta.url)(place) as NativeModule
    if (module.version !== moduleVersion) {
      return unused(`${place} has version ${module.version}, not ${moduleVersion}: build it again`)
    }
    const fault = tryOut(module)
    return fault === undefined ? { module, reason: 'the native module works here' } : unused(fault)
  } catch (error) {
    return unused(messageOf(error))
  }
}

function unused(why: string): Loaded {
  return { module: undefined, reason: `no native module: ${why}` }
}

/** More than any page has: a limit on the size of files (RLIMIT_FSIZE) holds for pages, too. */
const mostPageBytes = 524_288

/** Sends a descriptor through a queue, as connections go, and maps a page; returns what does not work. */
export function tryOut(module: NativeModule): string | undefined {
  const queue = module.openQueue(4_096)
  if (typeof queue === 'number') return failed('socketpair', queue)
  const [feeding, taking] = queue
  const bell = module.openBell()
  const page = module.openPage(mostPageBytes, true, 'helloserver')
  try {
    if (bell < 0) return failed('eventfd', bell)
    if (typeof page === 'number') return failed('memfd_create', page)
    return tryQueue(module, feeding, taking, page.fd)
  } finally {
    const fds = [feeding, taking, bell, typeof page === 'number' ? -1 : page.fd]
    for (const fd of fds) if (fd >= 0) module.close(fd)
  }
}

function tryQueue(
  module: NativeModule,
  feeding: number,
  taking: number,
  any: number,
): string | undefined {
  const sent = new Uint8Array(ticketBytes).fill(7)
  const lengths = Int32Array.of(ticketBytes)
  const received = new Uint8Array(ticketBytes)
  let offered = 0
  for (; offered < 1_000; offered += 1) {
    const copy = module.duplicate(any)
    if (copy < 0) return failed('fcntl with F_DUPFD_CLOEXEC', copy)
    const result = module.offer(feeding, Int32Array.of(copy), sent, lengths, 1)
    if (result === 1) continue
    module.close(copy)
    if (offered === 0) return failed('sendmmsg', result)
    break
  }
  if (offered === 1_000) return `the queue takes ${offered} connections`
  const seen = module.peek(taking, received)
  if (seen < 0 || Buffer.compare(sent, received) !== 0) return failed('recv with MSG_PEEK', seen)
  let returned = 0
  for (; ; returned += 1) {
    const message = module.receive(taking, received, false)
    if (typeof message === 'number') break
    for (const fd of message.fds) module.close(fd)
  }
  return returned === offered ? undefined : `the queue returned ${returned} of ${offered}`
}

function failed(call: string, errno: number): string {
  return `${call} failed with ${getSystemErrorName(errno)}`
}
