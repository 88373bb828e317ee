import { monotonicMs } from '../clock.ts'
import { reasons } from '../lifecycle/fail-reasons.ts'
import { pageOffsets } from '../native/native.ts'
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
const recordBytes = 48
/**
 * How many records the ring has. It never overruns, since the primary reads all rings before it has fed half as many
 * connections.
 */
export const ringRecords = 256

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
export interface EndRecord extends Progress, Omit<Ticket, 'endpoint'> {
  readonly takenAtMs: number
  readonly endedAtMs: number
}

/** The worker's side. */
export class PageWriter {
  readonly #view: DataView
  readonly #words: Uint32Array
  #recorded: number

  constructor(memory: ArrayBuffer) {
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

  /** When this process took it. */
  get takenAtMs(): number {
    return this.#view.getFloat64(takenAtMsAt, true)
  }

  /** Records the end of the connection with that ticket. */
  record(
    { step, reason, bytesIn, bytesOut }: Progress,
    { id, nonce }: Ticket,
    takenAtMs: number,
    endedAtMs: number,
  ): void {
    const view = this.#view
    const at = ringAt + (this.#recorded % ringRecords) * recordBytes
    view.setFloat64(at, id, true)
    view.setUint32(at + 8, nonce, true)
    view.setUint16(at + 12, steps.indexOf(step), true)
    view.setUint16(at + 14, reasons.indexOf(reason), true)
    view.setFloat64(at + 16, takenAtMs, true)
    view.setFloat64(at + 24, endedAtMs, true)
    view.setFloat64(at + 32, bytesIn, true)
    view.setFloat64(at + 40, bytesOut, true)
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

  /** Odd while the worker waits to be woken. */
  get waits(): number {
    return Atomics.load(this.#words, waitsAt / 4)
  }

  /** The connection that was taken last, and when. */
  get current(): Ticket & { readonly takenAtMs: number } {
    return { ...readTicket(this.#view), takenAtMs: this.#view.getFloat64(takenAtMsAt, true) }
  }

  /** How many records there are that were not read. */
  get unread(): number {
    return (Atomics.load(this.#words, recordedAt / 4) - this.#read) >>> 0
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
  const step: Step | undefined = steps[view.getUint16(at + 12, true)]
  const reason: Reason | undefined = reasons[view.getUint16(at + 14, true)]
  const id = view.getFloat64(at, true)
  const takenAtMs = view.getFloat64(at + 16, true)
  const endedAtMs = view.getFloat64(at + 24, true)
  const bytesIn = view.getFloat64(at + 32, true)
  const bytesOut = view.getFloat64(at + 40, true)
  const isSound =
    isCount(id) && isCount(bytesIn) && isCount(bytesOut) && takenAtMs <= endedAtMs && endedAtMs > 0
  if (step === undefined || reason === undefined || !isSound) return undefined
  const nonce = view.getUint32(at + 8, true)
  return { step, reason, id, nonce, bytesIn, bytesOut, takenAtMs, endedAtMs }
}
