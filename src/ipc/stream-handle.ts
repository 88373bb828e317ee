import { constants } from 'node:os'
import { HelloserverError } from '../errors.ts'
import type { SocketHandle } from './socket-handle.ts'

/**
 * Sockets as Node's bare handles, which are read and written without a stream around them: that would be a third of
 * what a short connection costs. Node documents none of this, so all code that relies on it is in this file (as read in
 * the sources of Node.js 20, 22, 24 and 26: lib/internal/stream_base_commons.js and lib/net.js), and a runtime that
 * differs is refused.
 */
export interface StreamHandle extends SocketHandle {
  /** Called with the bytes that were read; without any at the end of the input, and when reading has failed. */
  onread: (bytes?: ArrayBuffer) => void
  readStart(): number
  readStop(): number
  writeBuffer(request: Request, bytes: Uint8Array): Result
  writeLatin1String(request: Request, text: string, handle?: SocketHandle): Result
  shutdown(request: Request): Result
  close(onClosed?: () => void): void
  setNoDelay?(isOn: boolean): number
  setKeepAlive?(isOn: boolean, afterSeconds: number): number
}

/** 0 or -errno; undefined once the handle is closed. */
type Result = number | undefined

/** An operation that the system may end later. */
interface Request {
  oncomplete: (status: number) => void
  /** Held as long as the system may read them. */
  bytes?: Uint8Array
}

/** What Node's own streams use. */
interface StreamWrap {
  readonly WriteWrap: new () => Request
  readonly ShutdownWrap: new () => Request
  /** Where a call leaves what its result does not say. */
  readonly streamBaseState: Int32Array
  readonly kReadBytesOrError: number
  readonly kLastWriteWasAsync: number
}

let found: StreamWrap | undefined

function streamWrap(): StreamWrap {
  found ??= streamWrapOf(process)
  return found
}

/**
 * To be called before an app can change anything: from then on, the functions here depend on nothing of this process.
 *
 * @throws HelloserverError `BOOT_FAILED` where Node has changed
 */
export function needStreams(): void {
  streamWrap()
}

/** A process, as far as it matters here. */
interface Runtime {
  binding?: (name: string) => Partial<StreamWrap> | undefined
  noDeprecation?: boolean
}

/** @throws as `needStreams` */
export function streamWrapOf(runtime: Runtime): StreamWrap {
  const wrap = bindingOf(runtime)
  if (
    typeof wrap?.WriteWrap === 'function' &&
    typeof wrap.ShutdownWrap === 'function' &&
    wrap.streamBaseState !== undefined &&
    wrap.kReadBytesOrError !== undefined &&
    wrap.kLastWriteWasAsync !== undefined
  ) {
    return wrap as StreamWrap
  }
  throw new HelloserverError(
    'BOOT_FAILED',
    `Node.js ${process.version} reads and writes sockets in a way that helloserver does not know; use a version that docs/versions.md lists`,
  )
}

/** Node deprecates it, and has nothing in its place; nobody who runs a service could act on a warning. */
function bindingOf(runtime: Runtime): Partial<StreamWrap> | undefined {
  // With --no-deprecation, it cannot be written.
  const isQuiet = runtime.noDeprecation === true
  if (!isQuiet) runtime.noDeprecation = true
  try {
    return runtime.binding?.('stream_wrap')
  } catch {
    // Refused by a policy of the runtime (--permission).
    return undefined
  } finally {
    if (!isQuiet) runtime.noDeprecation = false
  }
}

const resultOf = (result: Result): number => result ?? -constants.errno.EBADF

/** The end of the input, as libuv has it (UV_EOF). */
const endOfFile = -4_095

/** What is read from a handle. */
export interface HandleReader {
  onBytes(bytes: Buffer): void
  /** The client has ended its side. */
  onEnd(): void
  /** @param errno - negative, as the system's error numbers are here */
  onError(errno: number): void
}

/** Gives what is read to `reader` from now on; `handle.readStart` and `readStop` say when. */
export function readTo(handle: StreamHandle, reader: HandleReader): void {
  const { streamBaseState: state, kReadBytesOrError: at } = streamWrap()
  handle.onread = (bytes) => {
    const result = state[at] ?? 0
    if (bytes !== undefined && result > 0) reader.onBytes(Buffer.from(bytes, 0, result))
    else if (result === endOfFile) reader.onEnd()
    else if (result < 0) reader.onError(result)
  }
}

/**
 * Sends bytes, behind all that was to be sent before.
 *
 * @param onSent - called once the system has taken all of them, which may be before this returns; not 0 when it never
 * will: -errno
 */
export function writeTo(
  handle: StreamHandle,
  bytes: Uint8Array,
  onSent: (errno: number) => void,
): void {
  const { WriteWrap, streamBaseState, kLastWriteWasAsync } = streamWrap()
  const request = new WriteWrap()
  request.oncomplete = onSent
  const errno = resultOf(handle.writeBuffer(request, bytes))
  if (errno !== 0) onSent(errno)
  else if (streamBaseState[kLastWriteWasAsync] === 0) onSent(0)
  else request.bytes = bytes
}

/**
 * Sends a line with a copy of a socket over a channel between processes. The socket must not be closed before that is
 * done, or the channel is closed.
 *
 * @param onSent - called later, or before this returns; not 0 when it cannot be sent: -errno
 */
export function sendTo(
  channel: StreamHandle,
  line: string,
  handle: SocketHandle,
  onSent: (errno: number) => void,
): void {
  const request = new (streamWrap().WriteWrap)()
  request.oncomplete = onSent
  const errno = resultOf(channel.writeLatin1String(request, line, handle))
  if (errno !== 0) onSent(errno)
}

/** Has bytes treated as if they were all that was read just now. */
export function passOn(
  handle: StreamHandle,
  onRead: StreamHandle['onread'],
  bytes: ArrayBuffer,
): void {
  const { streamBaseState, kReadBytesOrError } = streamWrap()
  streamBaseState[kReadBytesOrError] = bytes.byteLength
  onRead.call(handle, bytes)
}

/**
 * Ends this side, behind all that was to be sent.
 *
 * @param onEnded - called once that is done, which may be before this returns; not 0 when it cannot be: -errno
 */
export function shutDown(handle: StreamHandle, onEnded: (errno: number) => void): void {
  const request = new (streamWrap().ShutdownWrap)()
  request.oncomplete = onEnded
  const result = resultOf(handle.shutdown(request))
  // 1: it is done already.
  if (result !== 0) onEnded(Math.min(0, result))
}
