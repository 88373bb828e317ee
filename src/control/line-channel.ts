import type { Socket } from 'node:net'
import type { Pacer } from './pacer.ts'

/** Limits on the resources that a peer may use. */
export interface ChannelLimits {
  /** The longest message; a peer that sends more without a newline is disconnected. */
  readonly maxMessageBytes: number
  /** The deepest nesting of a message. */
  readonly maxDepth: number
  /** How many messages are processed at a time; further ones wait, eventually at the sender. */
  readonly maxInHand: number
  /** The unread bytes above which a peer is not read from, and those above which it is disconnected. */
  readonly fullBytes: number
  readonly maxUnreadBytes: number
  /** Makes each message wait for its turn, and counts the time that it takes. */
  readonly pacer?: Pacer
}

/** A client's limits on the service that it asks: the answers of one with a thousand workers and hosts fit. */
export const clientLimits: ChannelLimits = {
  maxMessageBytes: 4 * 1_048_576,
  maxDepth: 64,
  maxInHand: 64,
  fullBytes: 1_048_576,
  maxUnreadBytes: 4 * 1_048_576,
}

/** JSON values over a stream socket, one per line. */
export class LineChannel {
  readonly #socket: Socket
  readonly #limits: ChannelLimits
  readonly #onMessage: (message: unknown) => Promise<void>
  /** Complete lines that wait: never more than arrived in one chunk. */
  #lines: string[] = []
  /** The parts of the next line that have arrived. */
  #parts: string[] = []
  #partsLength = 0
  #inHand = 0
  #isHandingOn = false
  #onRoom: (() => void) | undefined
  #lastMs = performance.now()
  #count = 0

  /**
   * @param onMessage - called with each value that arrives; rejects a value that is not a message of its
   * protocol
   * @param onClose - called once, when the peer is gone
   */
  constructor(
    socket: Socket,
    limits: ChannelLimits,
    onMessage: (message: unknown) => Promise<void>,
    onClose: () => void,
  ) {
    this.#socket = socket
    this.#limits = limits
    this.#onMessage = onMessage
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => this.#receive(chunk))
    socket.on('drain', () => this.#onRoom?.())
    // `close` follows every error.
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#lines = []
      this.#parts = []
      this.#onRoom?.()
      onClose()
    })
  }

  /** Since when no message from the peer is in progress, in monotonic milliseconds; undefined while one is. */
  get idleSinceMs(): number | undefined {
    return this.#inHand > 0 ? undefined : this.#lastMs
  }

  /** How many messages have been processed. */
  get count(): number {
    return this.#count
  }

  send(message: unknown): void {
    const { maxUnreadBytes, pacer } = this.#limits
    if (!this.#socket.writable) return
    const startMs = performance.now()
    if (this.#socket.writableLength > maxUnreadBytes) this.#socket.destroy()
    else this.#socket.write(`${JSON.stringify(message)}\n`)
    pacer?.spend(performance.now() - startMs)
  }

  /** Sends the pending data, then closes. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Scans each chunk once, however small the pieces of a line are. */
  #receive(chunk: string): void {
    const [first = '', ...others] = chunk.split('\n')
    this.#parts.push(first)
    this.#partsLength += first.length
    for (const next of others) {
      this.#lines.push(this.#parts.join(''))
      this.#parts = [next]
      this.#partsLength = next.length
    }
    if (this.#partsLength > this.#limits.maxMessageBytes) this.#socket.destroy()
    else if (!this.#isHandingOn && this.#lines.length > 0) void this.#handOn()
  }

  async #handOn(): Promise<void> {
    this.#isHandingOn = true
    this.#socket.pause()
    const { pacer } = this.#limits
    while (this.#lines.length > 0) {
      for (const line of this.#lines.splice(0)) {
        while (this.#isFull) await this.#room()
        if (this.#socket.destroyed) return
        await pacer?.turn()
        const startMs = performance.now()
        this.#take(line)
        pacer?.spend(performance.now() - startMs)
      }
    }
    this.#isHandingOn = false
    this.#socket.resume()
  }

  get #isFull(): boolean {
    const { maxInHand, fullBytes } = this.#limits
    const isFull = this.#inHand >= maxInHand || this.#socket.writableLength > fullBytes
    return isFull && !this.#socket.destroyed
  }

  async #room(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onRoom = resolve
    })
    this.#onRoom = undefined
  }

  #take(line: string): void {
    if (this.#socket.destroyed) return
    const { maxMessageBytes, maxDepth } = this.#limits
    const isTooMuch = line.length > maxMessageBytes || depthOf(line) > maxDepth
    const message = isTooMuch ? undefined : parse(line)
    if (message === undefined) {
      this.#socket.destroy()
      return
    }
    this.#inHand += 1
    this.#onMessage(message)
      .catch(() => this.#socket.destroy())
      .finally(() => {
        this.#inHand -= 1
        this.#count += 1
        this.#lastMs = performance.now()
        this.#onRoom?.()
      })
  }
}

const [quote, backslash, bracket, brace, endBracket, endBrace] = Buffer.from('"\\[{]}')

/** How deeply the brackets of a JSON text are nested, not counting those within strings. */
function depthOf(json: string): number {
  let depth = 0
  let deepest = 0
  let isInString = false
  for (let at = 0; at < json.length; at += 1) {
    const code = json.charCodeAt(at)
    if (isInString) {
      if (code === backslash) at += 1
      else if (code === quote) isInString = false
    } else if (code === quote) isInString = true
    else if (code === bracket || code === brace) deepest = Math.max(deepest, (depth += 1))
    else if (code === endBracket || code === endBrace) depth -= 1
  }
  return deepest
}

/** A peer that sends anything but JSON is disconnected: it does not speak this protocol. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
