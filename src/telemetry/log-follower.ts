import { createHash } from 'node:crypto'
import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { rotatedName } from './log-file.ts'

const newline = 10
const chunkBytes = 65_536
/** How often the file is looked at, in milliseconds. */
const lookEveryMs = 100

export interface FollowOptions {
  /** The log file; it may not exist yet. */
  readonly path: string
  /** Where to go on from, in bytes. */
  readonly offset: number
  /** Which file the offset is of (`fileIdOf`), when that may not be the one that is there now. */
  readonly fileId?: string
  /** Given whole lines, newlines included; the next ones are read when it resolves. */
  readonly show: (lines: Buffer) => Promise<void>
  /** Told how far which file has been shown, after each `show`. */
  readonly onShown?: (offset: number, fileId: string) => void
}

/** Reads a log file as it grows, over the cuts that its writer makes. */
export class LogFollower {
  readonly #options: FollowOptions
  #offset: number
  #isCut: boolean

  constructor(options: FollowOptions) {
    const { path, offset, fileId } = options
    this.#options = options
    this.#offset = offset
    this.#isCut = fileId !== undefined && fileId !== fileIdOf(path)
    // Cut more than once since then: all that is left of the part before is news.
    if (this.#isCut && fileId !== fileIdOf(rotatedName(path))) this.#offset = 0
  }

  /** Follows the file until `signal` is aborted; what is there by then has been shown when this resolves. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.catchUp()
      await delay(lookEveryMs, undefined, { signal }).catch(() => {})
    }
    await this.catchUp()
  }

  /** Shows every whole line that is there now. */
  async catchUp(): Promise<void> {
    const { path } = this.#options
    if (this.#isCut || sizeOf(path) < this.#offset) {
      this.#isCut = false
      // The file was cut: what was not shown of the part before is beside it.
      await this.#showFrom(rotatedName(path))
      this.#offset = 0
    }
    await this.#showFrom(path)
  }

  async #showFrom(path: string): Promise<void> {
    for (;;) {
      const lines = readLines(path, this.#offset)
      if (lines.length === 0) return
      await this.#options.show(lines)
      this.#offset += lines.length
      this.#options.onShown?.(this.#offset, fileIdOf(path))
    }
  }
}

/** Tells a log file from the one that it was before it was cut: a digest of its first line, which has a time in it. */
export function fileIdOf(path: string): string {
  const start = readLines(path, 0)
  const line = start.subarray(0, start.indexOf(newline) + 1)
  return createHash('sha256').update(line).digest('hex').slice(0, 16)
}

/**
 * Where to start so that no more than `maxBytes` are shown.
 *
 * @returns the offset of a line's beginning, and how many bytes before it are left out
 */
export function boundedOffset(
  path: string,
  offset: number,
  maxBytes: number,
): { offset: number; skipped: number } {
  const size = sizeOf(path)
  if (size - offset <= maxBytes) return { offset, skipped: 0 }
  const from = size - maxBytes
  const line = readLines(path, from, true)
  const start = from + line.indexOf(newline) + 1
  return { offset: start, skipped: start - offset }
}

/** The last `count` lines of a log file. */
export function lastLines(path: string, count: number): { lines: Buffer; end: number } {
  const { offset } = boundedOffset(path, 0, Math.min(count * 4_096, 8 * chunkBytes))
  const parts: Buffer[] = []
  let end = offset
  for (let part = readLines(path, end); part.length > 0; part = readLines(path, end)) {
    parts.push(part)
    end += part.length
  }
  const bytes = Buffer.concat(parts)
  let start = bytes.length
  for (let lines = 0; start > 0 && lines < count; lines += 1) {
    start = bytes.subarray(0, start - 1).lastIndexOf(newline) + 1
  }
  return { lines: bytes.subarray(start), end }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/** Whole lines from `offset`, about a chunk of them; with `anyEnd`, the last one may be cut. */
function readLines(path: string, offset: number, anyEnd = false): Buffer {
  if (sizeOf(path) <= offset) return Buffer.alloc(0)
  const fd = openSync(path, 'r')
  try {
    const chunk = Buffer.alloc(chunkBytes)
    const bytes = chunk.subarray(0, readSync(fd, chunk, 0, chunk.length, offset))
    const end = bytes.lastIndexOf(newline) + 1
    // A line longer than a chunk is shown in pieces.
    return anyEnd || (end === 0 && bytes.length === chunkBytes) ? bytes : bytes.subarray(0, end)
  } finally {
    closeSync(fd)
  }
}
