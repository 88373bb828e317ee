import type { Socket } from 'node:net'
import type { Pacer } from './pacer.ts'

/** What a peer may take up. */
export interface ChannelLimits {
  /** No message is longer; a peer that sends more without a newline is cut off. */
  readonly maxMessageBytes: number
  /** No message is nested deeper. */
  readonly maxDepth: number
  /** So many messages are in hand at a time; what follows waits, in the end with the sender. */
  readonly maxInHand: number
  /** Nothing more is read from a peer that has so much to read itself, and one that has more than the second is cut off. */
  readonly fullBytes: number
  readonly maxUnreadBytes: number
  /** Has each message wait for its turn, and is told what it took. */
  readonly pacer?: Pacer
}

/** What a program grants the service that it asks: the answers of one with a thousand workers and hosts fit. */
export const clientLimits: ChannelLimits = {
  maxMessageBytes: 4 * 1_048_576,
  maxDepth: 64,
  maxInHand: 64,
  fullBytes: 1_048_576,
  maxUnreadBytes: 4 * 1_048_576,
}

/** JSON values over a stream socket, one a line. */
export class LineChannel {
  readonly #socket: Socket
  readonly #limits: ChannelLimits
  readonly #onMessage: (message: unknown) => Promise<void>
  /** Whole lines that wait: no more than came with one chunk. */
  #lines: string[] = []
  /** What has arrived of the next line. */
  #parts: string[] = []
  #partsLength = 0
  #inHand = 0
  #isHandingOn = false
  #onRoom: (() => void) | undefined
  #lastMs = performance.now()
  #count = 0

  /**
   * @param onMessage - given each value that arrives; rejects one that is no message of its protocol
   * @param onClose - told once, when the peer is gone
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
    // Whatever the error was, `close` follows it.
    socket.on('error', () => {})
    socket.once('close', () => {
      this.#lines = []
      this.#parts = []
      this.#onRoom?.()
      onClose()
    })
  }

  /** Since when no message of the peer's is in hand, by the monotonic clock in milliseconds; undefined while one is. */
  get idleSinceMs(): number | undefined {
    return this.#inHand > 0 ? undefined : this.#lastMs
  }

  /** How many messages have been done with. */
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

  /** Sends what is still to be sent, then closes. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  /** Each piece is looked at once, however small the pieces are that a line comes in. */
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

/** How deep the brackets of a JSON text are nested; those within strings do not count. */
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

/** Anything but JSON is answered by hanging up: the peer does not speak this protocol. */
function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
