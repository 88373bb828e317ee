import type { Socket } from 'node:net'
import { monotonicMs } from '../../../src/clock.ts'
import { codeOf } from '../../../src/errors.ts'
import { type Ask, answerTo, lineOf } from '../exchange.ts'
import type { Outcome, Settled } from './messages.ts'
import { connectBy, type Way } from './way.ts'

/** A client that has heard nothing for so long gives up; a service never needs this long. Milliseconds. */
const patienceMs = 20_000

/** Nobody listens: the port is closed, or the file of the Unix socket is left over or missing. */
const refusals: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ENOENT'])

export interface ConnectionOptions {
  readonly way: Way
  readonly kind: string
  readonly ask: Ask
  readonly holdOpenMs: number
  readonly onFirstByte?: (address: string) => void
  readonly onEnd?: (address: string) => void
  readonly onSettled: (settled: Settled) => void
}

/** One client: connects, sends its line, checks every byte of the answer, and says how it ended. */
export class ClientConnection {
  readonly #options: ConnectionOptions
  readonly #line: string
  readonly #expected: Buffer
  readonly #socket: Socket
  readonly #begunMs = monotonicMs()
  readonly #patience: NodeJS.Timeout
  #address = ''
  #connectedMs: number | null = null
  #firstByteMs: number | null = null
  #receivedBytes = 0
  #isWrong = false
  #isSettled = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#line = lineOf(options.ask)
    const { head, rest } = answerTo(this.#line)
    this.#expected = Buffer.from(head + rest, 'latin1')
    this.#patience = setTimeout(() => this.#settle('timeout'), patienceMs + options.ask.delayMs)
    this.#socket = connectBy(options.way)
    this.#socket.on('connect', () => this.#connected())
    this.#socket.on('data', (chunk: Buffer) => this.#check(chunk))
    this.#socket.on('end', () => this.#ended())
    this.#socket.on('error', (error) => {
      this.#settle(refusals.has(codeOf(error)) ? 'refused' : 'reset')
    })
  }

  #connected(): void {
    this.#connectedMs = monotonicMs()
    const { localAddress, localPort } = this.#socket
    if (localPort !== undefined) this.#address = `${localAddress}:${localPort}`
    this.#socket.write(this.#line, 'latin1')
  }

  #check(chunk: Buffer): void {
    if (this.#firstByteMs === null) {
      this.#firstByteMs = monotonicMs()
      this.#options.onFirstByte?.(this.#address)
    }
    const expected = this.#expected.subarray(
      this.#receivedBytes,
      this.#receivedBytes + chunk.length,
    )
    this.#isWrong ||= !expected.equals(chunk)
    this.#receivedBytes += chunk.length
  }

  #ended(): void {
    const isShort = this.#receivedBytes < this.#expected.length
    this.#options.onEnd?.(this.#address)
    this.#settle(this.#isWrong ? 'wrong' : isShort ? 'short' : 'right')
  }

  /** The first cause wins: what happens to a connection after its end is no part of its story. */
  #settle(outcome: Outcome): void {
    if (this.#isSettled) return
    this.#isSettled = true
    clearTimeout(this.#patience)
    const { way, kind, ask, holdOpenMs, onSettled } = this.#options
    if (outcome === 'right' && holdOpenMs > 0) setTimeout(() => this.#socket.end(), holdOpenMs)
    else if (outcome === 'right') this.#socket.end()
    else this.#socket.destroy()
    onSettled({
      id: ask.id,
      kind,
      way: way.name,
      delayMs: ask.delayMs,
      address: this.#address,
      begunMs: this.#begunMs,
      connectedMs: this.#connectedMs,
      firstByteMs: this.#firstByteMs,
      endedMs: monotonicMs(),
      outcome,
      receivedBytes: this.#receivedBytes,
      expectedBytes: this.#expected.length,
    })
  }
}
