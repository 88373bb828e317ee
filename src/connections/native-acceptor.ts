import { type ListeningHandle, quiet } from '../ipc/socket-handle.ts'
import { addressBytes, errnos, type NativeModule, type Watch, watched } from '../native/native.ts'
import type { Acceptor, AcceptRest } from './accept-rest.ts'
import { NativeSocket } from './native-socket.ts'

/** How many connections are accepted in one call. */
const batch = 64
/**
 * How many calls are made in a row. In a flood, the system's own queue overflows unless it is emptied, and with SYN
 * cookies (tcp(7)) the clients that find no room there wait for ever.
 */
const mostCalls = 16

/** How long nothing is accepted after a failure, such as a lack of descriptors; in milliseconds. */
const pauseMs = 100

const fds = new Int32Array(batch)
const addresses = Buffer.alloc(batch * addressBytes)

/** Accepts the connections of one listening socket, many at a time, as bare descriptors. */
export class NativeAcceptor implements Acceptor {
  readonly #native: NativeModule
  /** A descriptor of our own: Node polls the other, and would close it. */
  readonly #fd: number
  readonly #watch: Watch
  readonly #rest: AcceptRest
  readonly #onHandle: (handle: NativeSocket) => void
  readonly #onError: (errno: number) => void
  #isListening = false
  #pause: NodeJS.Timeout | undefined

  /**
   * @param handle - a listening socket from which Node accepts nothing any more
   * @param rest - decides when connections are accepted
   * @param onError - called with -errno when connections cannot be accepted
   * @throws Error when the system gives no descriptor
   */
  constructor(
    native: NativeModule,
    handle: ListeningHandle,
    rest: AcceptRest,
    onHandle: (handle: NativeSocket) => void,
    onError: (errno: number) => void,
  ) {
    this.#native = native
    this.#rest = rest
    this.#onHandle = onHandle
    this.#onError = onError
    quiet(handle)
    this.#fd = native.duplicate(handle.fd)
    const watch = native.watch(this.#fd, () => this.#onReadable())
    if (typeof watch === 'number') throw new Error(`Cannot watch the listening socket: ${watch}`)
    this.#watch = watch
    rest.add(this)
  }

  listen(isOn: boolean): void {
    this.#isListening = isOn
    if (this.#pause === undefined) this.#watchFor(isOn ? watched.readable : 0)
  }

  accept(): number {
    let accepted = 0
    for (let calls = 0; calls < mostCalls && this.#pause === undefined; calls += 1) {
      const count = this.#acceptBatch()
      accepted += count
      if (count < batch) break
    }
    return accepted
  }

  #acceptBatch(): number {
    const count = this.#native.accept(this.#fd, fds, addresses)
    for (let at = 0; at < count; at += 1) {
      const address = addresses.toString('latin1', at * addressBytes, (at + 1) * addressBytes)
      this.#onHandle(new NativeSocket(this.#native, fds[at] ?? -1, address))
    }
    if (count < 0 && count !== errnos.again) this.#fail(count)
    return Math.max(0, count)
  }

  close(): void {
    this.#rest.remove(this)
    clearTimeout(this.#pause)
    this.#native.unwatch(this.#watch)
    this.#native.close(this.#fd)
  }

  #onReadable(): void {
    if (this.accept() < mostCalls * batch) this.#rest.offer()
  }

  #watchFor(events: number): void {
    this.#native.setEvents(this.#watch, events)
  }

  /** The socket stays readable, so this would be called again at once. */
  #fail(errno: number): void {
    this.#onError(errno)
    this.#watchFor(0)
    this.#pause = setTimeout(() => {
      this.#pause = undefined
      this.listen(this.#isListening)
    }, pauseMs)
  }
}
