import { Socket } from 'node:net'
import type { ReadAheadListener, Reader } from '../ipc/read-ahead.ts'
import { remoteOf, type SocketHandle, type TcpAddress } from '../ipc/socket-handle.ts'
import { addressBytes, errnos, type NativeModule } from '../native/native.ts'
import { NativeReadAhead } from './native-read-ahead.ts'

const nowhere = { address: 'unknown', port: 0 }

/** A client's socket by its descriptor alone. It knows the client even when it is closed. */
export class NativeSocket implements SocketHandle {
  readonly #native: NativeModule
  /** As `accept` has written it, in Latin-1: that takes the least memory, and few are ever asked for. */
  readonly #address: string | TcpAddress
  #fd: number

  constructor(native: NativeModule, fd: number, address: string | TcpAddress) {
    this.#native = native
    this.#fd = fd
    this.#address = address
  }

  /** Takes a socket over from one of Node's handles, which is closed; -errno when the system gives no descriptor. */
  static from(native: NativeModule, handle: SocketHandle): NativeSocket | number {
    // A Unix socket's clients have no address.
    const remote = remoteOf(handle) ?? nowhere
    const fd = native.duplicate(handle.fd ?? -1)
    if (fd < 0) return fd
    handle.close()
    return new NativeSocket(native, fd, remote)
  }

  /** Negative when it is closed. */
  get fd(): number {
    return this.#fd
  }

  /** The client's address as `accept` has written it, in Latin-1; empty when another has accepted it. */
  get written(): string {
    return typeof this.#address === 'string' ? this.#address : ''
  }

  /** The same socket by another descriptor. */
  again(fd: number): NativeSocket {
    return new NativeSocket(this.#native, fd, this.#address)
  }

  /** Its descriptor has been closed. */
  forget(): void {
    this.#fd = -1
  }

  close(): void {
    if (this.#fd >= 0) this.#native.close(this.#fd)
    this.#fd = -1
  }

  getpeername(into: Partial<TcpAddress>): number {
    const remote =
      this.#fd >= 0 && this.#address !== nowhere
        ? this.#native.peerOf(this.#fd)
        : this.#remembered()
    if (typeof remote === 'number') return remote
    Object.assign(into, remote)
    return 0
  }

  /** Begins to read; see `ReadAhead`. */
  readAhead(listener: ReadAheadListener): Reader {
    return new NativeReadAhead(this.#native, this.#fd, listener)
  }

  /** The socket as Node's own, which alone can be sent to another process; to be destroyed after that. */
  lend(): Socket {
    const fd = this.#native.duplicate(this.#fd)
    return new Socket({
      fd,
      readable: true,
      writable: true,
      pauseOnCreate: true,
    } as ConstructorParameters<typeof Socket>[0])
  }

  #remembered(): TcpAddress | number {
    const address = this.#address
    if (typeof address !== 'string') return address
    if (address.length !== addressBytes) return errnos.notConnected
    return this.#native.addressOf(Buffer.from(address, 'latin1'))
  }
}
