import { createHash } from 'node:crypto'
import { closeSync, fstatSync, readSync } from 'node:fs'
import { identityOf } from '../files/identity.ts'
import { openForReading } from './open-log.ts'

const newline = 10
const chunkBytes = 65_536

/** One file of a log, open for reading, and how far it was read. It stays readable when it is renamed or removed. */
export class LogPart {
  readonly #fd: number
  /** Which file it is, wherever it is by now. */
  readonly identity: string | undefined
  /** Read up to here, in bytes. */
  offset: number
  #id: string
  #seen = ''

  private constructor(fd: number, offset: number) {
    this.#fd = fd
    this.identity = identityOf(fd)
    this.offset = offset
    this.#id = this.#digest()
  }

  /** @returns undefined where no regular file is */
  static open(path: string, offset = 0): LogPart | undefined {
    const fd = openForReading(path)
    return fd === undefined ? undefined : new LogPart(fd, offset)
  }

  /** Tells what is in it from what was in it before it was cut: a digest of its first line, which has a time in it. */
  get id(): string {
    return this.#id
  }

  get size(): number {
    return fstatSync(this.#fd).size
  }

  /** Whether what was read of it, in part, is no longer in it; its id is that of what was. */
  get isCut(): boolean {
    const { size, mtimeNs } = fstatSync(this.#fd, { bigint: true })
    const seen = `${size} ${mtimeNs}`
    if (seen === this.#seen) return false
    this.#seen = seen
    if (size < this.offset) return true
    const id = this.#digest()
    if (this.#id === noId) this.#id = id
    return id !== this.#id
  }

  /** It was cut: what is in it now has not been read. */
  restart(): void {
    this.offset = 0
    this.#id = this.#digest()
  }

  /** The next whole lines, about a chunk of them; empty when there are none. Moves on when they have been shown. */
  lines(): Buffer {
    const bytes = this.#read(this.offset)
    const end = bytes.lastIndexOf(newline) + 1
    // A line longer than a chunk is shown in pieces.
    return end === 0 && bytes.length === chunkBytes ? bytes : bytes.subarray(0, end)
  }

  /**
   * Leaves out so much that no more than `maxBytes` are left, and goes on with a whole line.
   *
   * @returns how many bytes are left out
   */
  skipTo(maxBytes: number): number {
    const from = this.size - maxBytes
    if (from <= this.offset) return 0
    const start = from + this.#read(from).indexOf(newline) + 1
    const skipped = start - this.offset
    this.offset = start
    return skipped
  }

  close(): void {
    closeSync(this.#fd)
  }

  #digest(): string {
    const start = this.#read(0)
    return idOf(start.subarray(0, start.indexOf(newline) + 1))
  }

  #read(offset: number): Buffer {
    const chunk = Buffer.alloc(chunkBytes)
    return chunk.subarray(0, readSync(this.#fd, chunk, 0, chunk.length, offset))
  }
}

/** The id of the file at `path`; that of an empty one where none is. */
export function logIdOf(path: string): string {
  const part = LogPart.open(path)
  part?.close()
  return part?.id ?? noId
}

/** The last `count` lines of a log file, and where the next one begins. */
export function lastLines(
  path: string,
  count: number,
): { lines: Buffer; offset: number; fileId: string } {
  const part = LogPart.open(path)
  if (part === undefined) return { lines: Buffer.alloc(0), offset: 0, fileId: noId }
  try {
    part.skipTo(Math.min(Math.max(count, 1) * 4_096, 8 * chunkBytes))
    const read: Buffer[] = []
    for (let lines = part.lines(); lines.length > 0; lines = part.lines()) {
      read.push(lines)
      part.offset += lines.length
    }
    const bytes = Buffer.concat(read)
    let start = bytes.length
    for (let lines = 0; start > 0 && lines < count; lines += 1) {
      start = bytes.subarray(0, start - 1).lastIndexOf(newline) + 1
    }
    return { lines: bytes.subarray(start), offset: part.offset, fileId: part.id }
  } finally {
    part.close()
  }
}

function idOf(firstLine: Buffer): string {
  return createHash('sha256').update(firstLine).digest('hex').slice(0, 16)
}

/** Of a file that has no whole line yet. */
export const noId = idOf(Buffer.alloc(0))
