import { type ListeningHandle, quiet } from '../ipc/socket-handle.ts'
import { addressBytes, errnos, type NativeModule, type Watch, watched } from '../native/native.ts'
import type { Acceptor, AcceptRest } from './accept-rest.ts'
import { batchSize, type Ledger } from './ledger.ts'
import { NativeSocket } from './native-socket.ts'

/**
 * How many calls are made in a row. In a flood, the system's own queue overflows unless it is emptied, and with SYN
 * cookies (tcp(7)) the clients that find no room there wait for ever.
 */
const mostCalls = 16

/** How long nothing is accepted after a failure, such as a lack of descriptors; in milliseconds. */
const pauseMs = 100

const fds = new Int32Array(batchSize)
/** How many connections were accepted in the last call, by whichever acceptor. */
let lastBatch = 0

/** What accepts connections in Node's place. */
export interface NativeAccepting {
  readonly native: NativeModule
  readonly rest: AcceptRest
  readonly ledger: Ledger
}

/** Accepts the connections of one listening socket, many at a time, as bare descriptors. */
export class NativeAcceptor implements Acceptor {
  readonly #native: NativeModule
  /** A descriptor of our own: Node polls the other, and would close it. */
  readonly #fd: number
  readonly #watch: Watch
  readonly #rest: AcceptRest
  readonly #ledger: Ledger
  readonly #onHandle: (handle: NativeSocket) => void
  readonly #onError: (errno: number) => void
  #isListening = false
  #pause: NodeJS.Timeout | undefined

  /**
   * @param handle - a listening socket from which Node accepts nothing any more
   * @param accepting - decides when connections are accepted, and keeps count of them
   * @param onError - called with -errno when connections cannot be accepted
   * @throws Error when the system gives no descriptor
   */
  constructor(
    { native, rest, ledger }: NativeAccepting,
    handle: ListeningHandle,
    onHandle: (handle: NativeSocket) => void,
    onError: (errno: number) => void,
  ) {
    this.#native = native
    this.#rest = rest
    this.#ledger = ledger
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
      if (count < batchSize) break
    }
    return accepted
  }

  #acceptBatch(): number {
    const { batch: addresses } = this.#ledger
    this.#ledger.beginBatch(lastBatch)
    const count = this.#native.accept(this.#fd, fds, addresses)
    lastBatch = Math.max(0, count)
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
    if (this.accept() < mostCalls * batchSize) this.#rest.offer()
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
