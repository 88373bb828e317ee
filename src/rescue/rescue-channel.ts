import { getSystemErrorName } from 'node:util'
import { errnos, type NativeModule, type Watch, watched } from '../native/native.ts'

/** More than any message has. */
const mostBytes = 65_536

const noFds = new Int32Array()

export interface RescueChannelListener {
  /** @param fds - the descriptors that have come with it, which belong to the listener */
  onMessage(message: unknown, fds: readonly number[]): void
  /** The other process has ended, or has closed its end. */
  onClosed(): void
}

/**
 * A connection between a primary and a worker that another primary has started: messages as JSON, one a line, and
 * descriptors, which Node.js cannot send. Each process may hold the other for a stranger, so it is bounded, and what is
 * no message closes it.
 */
export class RescueChannel {
  readonly #native: NativeModule
  readonly #fd: number
  readonly #listener: RescueChannelListener
  readonly #buffer = Buffer.alloc(mostBytes)
  #watch: Watch | undefined
  #text = ''

  /**
   * @param fd - belongs to this channel from now on
   * @throws Error when the system cannot watch it
   */
  constructor(native: NativeModule, fd: number, listener: RescueChannelListener) {
    this.#native = native
    this.#fd = fd
    this.#listener = listener
    const watch = native.watch(fd, () => this.#read())
    if (typeof watch === 'number') {
      native.close(fd)
      throw new Error(`Cannot watch a Unix socket: ${getSystemErrorName(watch)}`)
    }
    native.setEvents(watch, watched.readable)
    this.#watch = watch
  }

  /** Sends a message with copies of descriptors; 0, or -errno. */
  send(message: object, fds: readonly number[] = []): number {
    if (this.#watch === undefined) return errnos.brokenPipe
    const line = Buffer.from(`${JSON.stringify(message)}\n`)
    const rights = fds.length === 0 ? noFds : Int32Array.from(fds)
    return this.#native.pass(this.#fd, line, rights)
  }

  close(): void {
    if (this.#watch === undefined) return
    this.#native.unwatch(this.#watch)
    this.#watch = undefined
    this.#native.close(this.#fd)
  }

  #read(): void {
    while (this.#watch !== undefined) {
      const received = this.#native.receive(this.#fd, this.#buffer, false)
      if (received === errnos.again) return
      if (typeof received === 'number' || received.bytes === 0) {
        this.#end()
        return
      }
      this.#take(this.#buffer.toString('utf8', 0, received.bytes), received.fds)
    }
  }

  /** What comes with descriptors ends with the message that they belong to. */
  #take(chunk: string, fds: readonly number[]): void {
    const lines = `${this.#text}${chunk}`.split('\n')
    this.#text = lines.pop() ?? ''
    const messages = lines.map(parsed)
    const isWhole = messages.length > 0 || fds.length === 0
    if (messages.includes(undefined) || !isWhole || this.#text.length > mostBytes) {
      for (const fd of fds) this.#native.close(fd)
      this.#end()
      return
    }
    for (const [at, message] of messages.entries()) {
      this.#listener.onMessage(message, at === messages.length - 1 ? fds : [])
    }
  }

  #end(): void {
    this.close()
    this.#listener.onClosed()
  }
}

/** Undefined when it is not JSON. */
function parsed(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    // The caller closes the channel.
    return undefined
  }
}
