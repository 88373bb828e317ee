import { type ReadAheadListener, type Reader, readAheadBytes } from '../ipc/read-ahead.ts'
import { errnos, type NativeModule, type Watch, watched } from '../native/native.ts'

/** Reads the first bytes of a connection that is no handle of Node's. */
export class NativeReadAhead implements Reader {
  readonly #native: NativeModule
  readonly #fd: number
  readonly #listener: ReadAheadListener
  readonly #watch: Watch

  /**
   * Begins to read.
   *
   * @throws Error when the system cannot watch the socket
   */
  constructor(native: NativeModule, fd: number, listener: ReadAheadListener) {
    const watch = native.watch(fd, () => this.#read())
    if (typeof watch === 'number') throw new Error(`Cannot watch a client's socket: ${watch}`)
    native.setEvents(watch, watched.readable)
    this.#native = native
    this.#fd = fd
    this.#listener = listener
    this.#watch = watch
  }

  stop(): void {
    this.#native.unwatch(this.#watch)
  }

  #read(): void {
    const received = this.#native.receive(this.#fd, arena, false)
    if (received === errnos.again) return
    if (typeof received === 'number' || received.bytes === 0) this.#listener.onEnd()
    else this.#listener.onBytes(Buffer.from(arena.subarray(0, received.bytes)))
  }
}

/** All connections share it, since each piece is copied out at once. */
const arena = Buffer.allocUnsafeSlow(readAheadBytes)
