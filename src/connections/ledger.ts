import { randomInt } from 'node:crypto'
import { readSync } from 'node:fs'
import { addressBytes } from '../native/native.ts'
import { type KeptGrants, noNonce } from './grants.ts'
import { noEntry, type PendingConnection } from './pending-connection.ts'
import { momentNow } from './shared-time.ts'
import { pathIn, writtenBytes } from './written-address.ts'

/**
 * The ledger of a primary: a page that this process alone can write, and that outlives it, since its workers have it
 * open. The next primary reads there what this one has counted, and which connections it had handed off.
 *
 * - The counts, which only rise: `accepted`, and one for each way to end.
 * - The addresses of the connections that were accepted in the last call. The kernel writes them within that call, so
 *   that a connection counts as accepted however soon this process dies.
 * - An entry for each connection that was handed off and has not ended. An entry is removed before its end is counted:
 *   whenever this process dies, no connection is counted twice.
 * - For each process of a worker, how many of the connections were counted that it may accept by itself.
 * - What was begun: the counts before such a connection was counted. They hold if this process dies before it is among
 *   those that are seen.
 * - A text, twice: the one that is being written does not count.
 */
const magic = 0x68_73_6c_33
const countsAt = 8
/** How many connections were accepted before those in `batch`. */
const beforeBatchAt = 56
/** How far the clock that all processes share is ahead of the writer's own. */
const aheadMsAt = 72
const textAt = { which: 80, lengths: 84 } as const
const batchAt = 128
const entriesAt = batchAt + 64 * addressBytes
const clientAt = 32
const entryBytes = clientAt + writtenBytes
const maxEntries = 1_024
const grantsAt = entriesAt + maxEntries * entryBytes
const grantBytes = 32
const maxGrants = 256
const begunAt = grantsAt + maxGrants * grantBytes
const begunBytes = 128
const begunCountsAt = 24
const textsAt = begunAt + begunBytes
const maxTextBytes = 131_072

export const ledgerBytes = textsAt + 2 * maxTextBytes

/** How many connections `batch` has room for. */
export const batchSize = 64

/** What is counted, in the order of the ledger. */
export const ledgerCounts = ['accepted', 'served', 'failed', 'shed', 'expired', 'gone'] as const

const newNonce = () => randomInt(1, 2 ** 32)

/** A connection that was handed off. */
export interface LedgerEntry extends Pick<PendingConnection, 'id' | 'turn' | 'nonce'> {
  /** The number of its endpoint. */
  readonly endpoint: number
  /** By the clock that all processes share, in milliseconds. */
  readonly acceptedAtMs: number
  /** The client's, as `accept` writes them, in Latin-1; behind a proxy, as that has named it. Zeros when it is not known. */
  readonly address: string
  /** The client's, if a proxy has named one instead of an address. */
  readonly path: string | undefined
}

/** The address of a client that has none, or of which none is known. */
const noAddress = '\0'.repeat(addressBytes)

/** The primary's side. */
export class Ledger {
  /** For `accept`: see `beginBatch`. */
  readonly batch: Buffer
  readonly counts: Float64Array
  readonly #begunCounts: Float64Array
  readonly #bytes: Buffer
  readonly #view: DataView
  readonly #free = Array.from({ length: maxEntries }, (_, at) => maxEntries - 1 - at)
  readonly #freeGrants = Array.from({ length: maxGrants }, (_, at) => maxGrants - 1 - at)
  /** The row of each nonce. */
  readonly #grants = new Map<number, number>()

  /** @param memory - all zeros, of `ledgerBytes` */
  constructor(memory: ArrayBuffer) {
    this.#bytes = Buffer.from(memory)
    this.#view = new DataView(memory)
    const { ownMs, sharedMs } = momentNow()
    this.#view.setUint32(0, magic, true)
    this.#view.setFloat64(aheadMsAt, sharedMs - ownMs, true)
    this.counts = new Float64Array(memory, countsAt, ledgerCounts.length)
    this.#begunCounts = new Float64Array(memory, begunAt + begunCountsAt, ledgerCounts.length)
    this.batch = this.#bytes.subarray(batchAt, entriesAt)
  }

  /** Must be called before connections are accepted into `batch`; `used` is how many were the last time. */
  beginBatch(used: number): void {
    // Its addresses first: those of the last batch are counted by now, and must not count again.
    for (let at = 0; at < used; at += 1) this.batch.writeUInt16LE(0, at * addressBytes)
    this.#view.setFloat64(beforeBatchAt, this.counts[0] ?? 0, true)
  }

  /**
   * Enters a connection that is handed off.
   *
   * @param client - by `writtenClient`; empty when it is not known
   */
  enter(connection: PendingConnection, client: string): void {
    const entry = this.#free.pop()
    connection.entry = entry ?? noEntry
    if (entry === undefined) return
    const at = entriesAt + entry * entryBytes
    const view = this.#view
    view.setFloat64(at + 8, connection.turn, true)
    view.setFloat64(at + 16, connection.acceptedAtMs, true)
    view.setUint32(at + 24, connection.nonce, true)
    view.setUint32(at + 28, connection.endpoint.number, true)
    this.#bytes.write(client === '' ? noAddress : client, at + clientAt, writtenBytes, 'latin1')
    // From here on, it counts.
    view.setFloat64(at, connection.id, true)
  }

  /** A connection has ended, or waits in this process again. */
  remove(connection: PendingConnection): void {
    const { entry } = connection
    if (entry === noEntry) return
    connection.entry = noEntry
    this.#view.setFloat64(entriesAt + entry * entryBytes, 0, true)
    this.#free.push(entry)
  }

  /** Makes room for what one process of a worker may accept by itself. Without room, its nonce is `noNonce`. */
  openGrants(nonce = newNonce()): KeptGrants {
    const row = this.#freeGrants.pop()
    if (row === undefined) return { nonce: noNonce, seen: 0, ids: [0, 0] }
    this.#grants.set(nonce, row)
    return { nonce, seen: 0, ids: [0, 0] }
  }

  /** One more of these connections is counted. */
  noteSeen({ nonce, seen }: Pick<KeptGrants, 'nonce' | 'seen'>): void {
    const row = this.#grants.get(nonce)
    if (row !== undefined) this.#view.setFloat64(grantsAt + row * grantBytes + 8, seen, true)
  }

  /** Replaces what is known of that. */
  keepGrants({ nonce, seen, ids }: KeptGrants): void {
    const row = this.#grants.get(nonce)
    if (row === undefined) return
    const at = grantsAt + row * grantBytes
    this.#view.setFloat64(at + 8, seen, true)
    for (const [which, id] of ids.entries()) this.#view.setFloat64(at + 16 + 8 * which, id, true)
    // From here on, it counts.
    this.#view.setUint32(at, nonce, true)
  }

  /**
   * Begins to count a connection that a worker has accepted by itself.
   *
   * @param grants - as they are to be kept once it is counted
   */
  begin({ nonce, seen }: Pick<KeptGrants, 'nonce' | 'seen'>, id: number): void {
    const view = this.#view
    view.setUint32(begunAt, noNonce, true)
    view.setFloat64(begunAt + 8, seen, true)
    view.setFloat64(begunAt + 16, id, true)
    this.#begunCounts.set(this.counts)
    // From here on, it counts.
    view.setUint32(begunAt, nonce, true)
  }

  /** That process has ended. */
  closeGrants({ nonce }: KeptGrants): void {
    const row = this.#grants.get(nonce)
    if (row === undefined) return
    this.#grants.delete(nonce)
    this.#view.setUint32(grantsAt + row * grantBytes, noNonce, true)
    this.#freeGrants.push(row)
  }

  /** Replaces the text; one that is too long is left out. */
  write(text: string): void {
    const which = 1 - this.#view.getUint32(textAt.which, true)
    const at = textsAt + which * maxTextBytes
    const isTooLong = Buffer.byteLength(text) > maxTextBytes
    const length = isTooLong ? 0 : this.#bytes.write(text, at, maxTextBytes)
    this.#view.setUint32(textAt.lengths + 4 * which, length, true)
    this.#view.setUint32(textAt.which, which, true)
  }
}

/** The ledger of a primary that has died. */
export interface ClosedLedger {
  readonly counts: Readonly<Record<(typeof ledgerCounts)[number], number>>
  /** In the order of their turns. */
  readonly entries: readonly LedgerEntry[]
  readonly grants: readonly KeptGrants[]
  readonly text: string
}

/**
 * Reads the ledger of a primary that has died.
 *
 * @param fd - a file of `ledgerBytes`, of which nobody else could write a byte
 * @throws Error when it is no ledger
 */
export function readLedger(fd: number): ClosedLedger {
  const bytes = Buffer.alloc(ledgerBytes)
  const length = readSync(fd, bytes, 0, ledgerBytes, 0)
  if (length !== ledgerBytes || bytes.readUInt32LE(0) !== magic) throw new Error('It is no ledger')
  const grants = Array.from({ length: maxGrants }, (_, row) => readGrants(bytes, row)).filter(
    ({ nonce }) => nonce !== noNonce,
  )
  const undone = readUndone(bytes, grants)
  const from = undone === undefined ? countsAt : begunAt + begunCountsAt
  const [before = 0, ...ends] = ledgerCounts.map((_, at) => bytes.readDoubleLE(from + 8 * at))
  const accepted = Math.max(before, bytes.readDoubleLE(beforeBatchAt) + batchLength(bytes))
  const counts = Object.fromEntries(
    ledgerCounts.map((name, at) => [name, [accepted, ...ends][at] ?? 0]),
  ) as ClosedLedger['counts']
  const aheadMs = bytes.readDoubleLE(aheadMsAt)
  const entries = Array.from({ length: maxEntries }, (_, at) => readEntry(bytes, at, aheadMs))
    .filter(({ id }) => id !== 0 && id !== undone)
    .toSorted((one, other) => one.turn - other.turn)
  const which = bytes.readUInt32LE(textAt.which)
  const textFrom = textsAt + which * maxTextBytes
  const textBytes = bytes.readUInt32LE(textAt.lengths + 4 * which)
  return {
    counts,
    entries,
    grants,
    text: bytes.toString('utf8', textFrom, textFrom + textBytes),
  }
}

/** How many connections were accepted in the last call. */
function batchLength(bytes: Buffer): number {
  let length = 0
  while (length < batchSize && bytes.readUInt16LE(batchAt + length * addressBytes) !== 0)
    length += 1
  return length
}

/** The number of the connection that was begun and is not seen; undefined when there is none. */
function readUndone(bytes: Buffer, grants: readonly KeptGrants[]): number | undefined {
  const nonce = bytes.readUInt32LE(begunAt)
  const row = grants.find((kept) => kept.nonce === nonce)
  const isUndone = row !== undefined && row.seen < bytes.readDoubleLE(begunAt + 8)
  return isUndone ? bytes.readDoubleLE(begunAt + 16) : undefined
}

function readGrants(bytes: Buffer, row: number): KeptGrants {
  const at = grantsAt + row * grantBytes
  return {
    nonce: bytes.readUInt32LE(at),
    seen: bytes.readDoubleLE(at + 8),
    ids: [bytes.readDoubleLE(at + 16), bytes.readDoubleLE(at + 24)],
  }
}

function readEntry(bytes: Buffer, entry: number, aheadMs: number): LedgerEntry {
  const at = entriesAt + entry * entryBytes
  return {
    id: bytes.readDoubleLE(at),
    turn: bytes.readDoubleLE(at + 8),
    acceptedAtMs: bytes.readDoubleLE(at + 16) + aheadMs,
    nonce: bytes.readUInt32LE(at + 24),
    endpoint: bytes.readUInt32LE(at + 28),
    address: bytes.toString('latin1', at + clientAt, at + clientAt + addressBytes),
    path: pathIn(bytes.subarray(at + clientAt, at + entryBytes)),
  }
}
