import { monotonicMs } from '../clock.ts'
import { reasons } from '../lifecycle/fail-reasons.ts'
import { addressBytes, grantSize, pageOffsets } from '../native/native.ts'
import { isCount, type Progress, type Reason, type Step, steps } from './progress.ts'

/**
 * The page that a worker and its primary share where connections go by the native way. The worker writes into it what
 * the primary has to know; neither is woken for that. The primary reads it when it needs to, and when the worker has
 * ended. It trusts nothing there, since an app can write into it as well.
 *
 * - `permitUntilMs`, written by the primary: until when the worker may take a connection; and how far the wall clock was
 *   ahead of the monotonic one then, which tells whether the machine was suspended since.
 * - The ticket of the connection that it took last. The kernel writes it, within the very call that takes the
 *   connection, so it is there however soon the worker dies.
 * - `gate`, written by the primary: not 0 while the worker may accept connections by itself; from which listening
 *   sockets, how many, and under which numbers and nonce. It writes the ticket of such a connection itself, before it
 *   tries to accept one, and the kernel writes the client's address within the call that accepts it: without one, that
 *   ticket is about nobody yet.
 * - `waits`: odd while the worker waits to be woken, and higher each time.
 * - `takenAtMs`: when it took its current connection.
 * - `recorded`, and a ring of records: how each connection ended.
 *
 * Times are milliseconds of the monotonic clock, which all processes share. A record is written before it is counted,
 * and the counts by `Atomics`, so that a reader on another processor sees them in this order.
 */
const waitsAt = 8
const recordedAt = 12
const takenAtMsAt = 16
const wallAheadMsAt = 24
const ticketAt = pageOffsets.ticket
const ringAt = 128
const endpointAt = 14
const addressAt = 48
const recordBytes = addressAt + addressBytes
const { peer: peerAt } = pageOffsets
/**
 * How many records the ring has. It never overruns: the primary reads all rings before it has fed more connections
 * than its queue has room for, and grants a worker no more than two times `grantSize` before it has read of them.
 */
export const ringRecords = 4 * grantSize

export const pageBytes = ringAt + ringRecords * recordBytes

/** What tells a connection from all others, known to the primary and the worker that took it. */
export interface Ticket {
  /** The connection's id. */
  readonly id: number
  /** A number that no other worker can guess. */
  readonly nonce: number
  /** The number of the endpoint that it has come from. */
  readonly endpoint: number
}

/** How a connection ended, with the times at which its worker took and ended it. */
export interface EndRecord extends Progress, Ticket {
  readonly takenAtMs: number
  readonly endedAtMs: number
  /** The client's address as `accept` writes it, in Latin-1, if the worker has accepted it; empty otherwise. */
  readonly address: string
}

/** What a worker may accept by itself. */
export interface Granted {
  /** How many connections since it was started. */
  readonly count: number
  /** The first number of the last two grants; those whose count is even are the first one. */
  readonly ids: readonly [number, number]
}

/** The worker's side. */
export class PageWriter {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #words: Uint32Array
  #recorded: number

  constructor(memory: ArrayBuffer) {
    this.#bytes = new Uint8Array(memory)
    this.#view = new DataView(memory)
    this.#words = new Uint32Array(memory)
    this.#recorded = this.#words[recordedAt / 4] ?? 0
  }

  /** The connection that was taken last. */
  get ticket(): Ticket {
    return readTicket(this.#view)
  }

  /** This process waits to be woken from now on, or no more. */
  toggleWaiting(): void {
    Atomics.add(this.#words, waitsAt / 4, 1)
  }

  /** Which listening sockets are meant from which it may accept. */
  get listeners(): number {
    return this.#view.getUint32(pageOffsets.listeners, true)
  }

  /** When this process took it. */
  get takenAtMs(): number {
    return this.#view.getFloat64(takenAtMsAt, true)
  }

  /** Records the end of the connection with that ticket. */
  record(
    { step, reason, bytesIn, bytesOut }: Progress,
    { id, nonce, endpoint }: Ticket,
    takenAtMs: number,
    endedAtMs: number,
  ): void {
    const view = this.#view
    const at = ringAt + (this.#recorded % ringRecords) * recordBytes
    view.setFloat64(at, id, true)
    view.setUint32(at + 8, nonce, true)
    view.setUint8(at + 12, steps.indexOf(step))
    view.setUint8(at + 13, reasons.indexOf(reason))
    view.setUint16(at + endpointAt, endpoint, true)
    view.setFloat64(at + 16, takenAtMs, true)
    view.setFloat64(at + 24, endedAtMs, true)
    view.setFloat64(at + 32, bytesIn, true)
    view.setFloat64(at + 40, bytesOut, true)
    // Nobody asks for the clients that were served.
    if (step !== 'served') this.#bytes.copyWithin(at + addressAt, peerAt, peerAt + addressBytes)
    this.#recorded = (this.#recorded + 1) >>> 0
    Atomics.store(this.#words, recordedAt / 4, this.#recorded)
  }
}

/** The primary's side. */
export class PageReader {
  readonly #view: DataView
  readonly #words: Uint32Array
  #read = 0

  constructor(memory: ArrayBuffer) {
    this.#view = new DataView(memory)
    this.#words = new Uint32Array(memory)
  }

  /** Lets the worker take connections until then, by the monotonic clock. */
  permit(untilMs: number): void {
    this.#view.setFloat64(wallAheadMsAt, Date.now() - monotonicMs(), true)
    this.#view.setFloat64(pageOffsets.permitUntilMs, untilMs, true)
  }

  /** Tells the worker what it may accept by itself, once the gate is open. */
  grant({ count, ids }: Granted): void {
    for (const [at, id] of ids.entries()) {
      this.#view.setFloat64(pageOffsets.grantedIds + 8 * at, id, true)
    }
    Atomics.store(this.#words, pageOffsets.granted / 4, count)
  }

  /**
   * From which listening sockets that is.
   *
   * @param number - what tells them from those before
   * @param endpoints - the numbers of their endpoints
   */
  name(number: number, endpoints: readonly number[], nonce: number): void {
    for (const [at, endpoint] of endpoints.entries()) {
      this.#view.setUint16(pageOffsets.endpoints + 2 * at, endpoint, true)
    }
    this.#view.setUint32(pageOffsets.nonce, nonce, true)
    this.#view.setUint32(pageOffsets.listeners, number, true)
  }

  /** The worker may accept connections by itself from now on, for the `time`th time; not any more, if that is 0. */
  open(time: number): void {
    Atomics.store(this.#words, pageOffsets.gate / 4, time)
  }

  /** The nonce of the connections that it accepts by itself. */
  get nonce(): number {
    return this.#view.getUint32(pageOffsets.nonce, true)
  }

  /** Odd while the worker waits to be woken. */
  get waits(): number {
    return Atomics.load(this.#words, waitsAt / 4)
  }

  /** The connection that was taken last, and when. */
  get current(): Ticket & { readonly takenAtMs: number } {
    return { ...readTicket(this.#view), takenAtMs: this.#view.getFloat64(takenAtMsAt, true) }
  }

  /**
   * The client of the connection that the worker has accepted last, as in `EndRecord`; empty while it has yet to accept
   * the one of its ticket. To be asked for after that.
   */
  get peer(): string {
    // A barrier: without it, an earlier client could be read with a later ticket.
    Atomics.add(this.#words, pageOffsets.granted / 4, 0)
    return addressIn(this.#view, peerAt)
  }

  /** How many records there are that were not read. */
  get unread(): number {
    return (this.recorded - this.#read) >>> 0
  }

  /** How many records there have been. */
  get recorded(): number {
    return Atomics.load(this.#words, recordedAt / 4)
  }

  /** Whether so many records as there had been were read. */
  isReadTo(recorded: number): boolean {
    return ((recorded - this.#read) | 0) <= 0
  }

  /** Reads all records again that are still there. */
  rewind(): void {
    const recorded = Atomics.load(this.#words, recordedAt / 4)
    this.#read = Math.max(0, recorded - ringRecords)
  }

  /** Skips all records that were not read. */
  skip(): void {
    this.#read = Atomics.load(this.#words, recordedAt / 4)
  }

  /** The next record that was not read; undefined when it is none: then the app has written into the page. */
  next(): EndRecord | undefined {
    const at = ringAt + (this.#read % ringRecords) * recordBytes
    this.#read = (this.#read + 1) >>> 0
    return decode(this.#view, at)
  }
}

function readTicket(view: DataView): Ticket {
  return {
    id: view.getFloat64(ticketAt + 8, true),
    nonce: view.getUint32(ticketAt + 16, true),
    endpoint: view.getUint32(ticketAt + 20, true),
  }
}

function decode(view: DataView, at: number): EndRecord | undefined {
  const step: Step | undefined = steps[view.getUint8(at + 12)]
  const reason: Reason | undefined = reasons[view.getUint8(at + 13)]
  const id = view.getFloat64(at, true)
  const takenAtMs = view.getFloat64(at + 16, true)
  const endedAtMs = view.getFloat64(at + 24, true)
  const bytesIn = view.getFloat64(at + 32, true)
  const bytesOut = view.getFloat64(at + 40, true)
  const areTimes = 0 <= takenAtMs && takenAtMs <= endedAtMs && Number.isFinite(endedAtMs)
  const isSound = areTimes && isCount(id) && isCount(bytesIn) && isCount(bytesOut) && endedAtMs > 0
  if (step === undefined || reason === undefined || !isSound) return undefined
  const nonce = view.getUint32(at + 8, true)
  const endpoint = view.getUint16(at + endpointAt, true)
  const address = step === 'served' ? '' : addressIn(view, at + addressAt)
  return { step, reason, id, nonce, endpoint, bytesIn, bytesOut, takenAtMs, endedAtMs, address }
}

/** Empty when there is none. */
function addressIn(view: DataView, at: number): string {
  if (view.getUint16(at, true) === 0) return ''
  return Buffer.from(view.buffer, at, addressBytes).toString('latin1')
}
