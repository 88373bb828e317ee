import { createHash } from 'node:crypto'
import { closeSync, fstatSync, readSync } from 'node:fs'
import { identityOf } from '../files/file-identity.ts'
import { openForReading } from './open-log.ts'

const newline = 10
const chunkBytes = 65_536

/** One file of a log, open for reading, and how far it was read. It stays readable when it is renamed or removed. */
export class LogPart {
  readonly #fd: number
  /** The identity of the file, wherever it is now. */
  readonly identity: string | undefined
  /** The number of bytes read. */
  offset: number
  #id: string
  #seen = ''

  private constructor(fd: number, offset: number) {
    this.#fd = fd
    this.identity = identityOf(fd)
    this.offset = offset
    this.#id = this.#digest()
  }

  /** @returns undefined if there is no regular file */
  static open(path: string, offset = 0): LogPart | undefined {
    const fd = openForReading(path)
    return fd === undefined ? undefined : new LogPart(fd, offset)
  }

  /** A digest of the first line, which contains a time: it distinguishes the content from that before a cut. */
  get id(): string {
    return this.#id
  }

  get size(): number {
    return fstatSync(this.#fd).size
  }

  /** Whether some of the content that was read is no longer in the file; the id is still that of the former content. */
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

  /** The file was cut: nothing of its current content has been read. */
  restart(): void {
    this.offset = 0
    this.#id = this.#digest()
  }

  /**
   * The next whole lines, about a chunk of them; empty when there are none. The caller advances the offset when they
   * have been shown.
   */
  lines(): Buffer {
    const bytes = this.#read(this.offset)
    const end = bytes.lastIndexOf(newline) + 1
    // A line longer than a chunk is shown in pieces.
    return end === 0 && bytes.length === chunkBytes ? bytes : bytes.subarray(0, end)
  }

  /**
   * Skips enough for at most `maxBytes` to be left, and continues at the beginning of a line.
   *
   * @returns the number of skipped bytes
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

/** The id of the file at `path`; that of an empty file if there is none. */
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

/** The id of a file without a complete line. */
export const noId = idOf(Buffer.alloc(0))
