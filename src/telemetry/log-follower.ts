import { setTimeout as delay } from 'node:timers/promises'
import { identityOf } from '../files/identity.ts'
import { partBefore, partsSince } from './log-history.ts'
import { LogPart } from './log-part.ts'

/** How often the file is looked at, in milliseconds. */
const lookEveryMs = 100
/** A file that is no longer the log is read on for so long, since its writer takes a moment to notice, in milliseconds. */
const trailMs = 10_000

export interface FollowOptions {
  /** The log file; it may not exist yet. */
  readonly path: string
  /** Where to go on from, in bytes. */
  readonly offset: number
  /** Which file the offset is of (`logIdOf`), when that may not be the one that is there now. */
  readonly fileId?: string
  /** No more than so much of what is there at first is shown, in bytes. */
  readonly maxCatchUpBytes?: number
  /** Given whole lines, newlines included; the next ones are read when it resolves. */
  readonly show: (lines: Buffer) => Promise<void>
  /** Told how far which file has been shown, after each `show`. */
  readonly onShown?: (offset: number, fileId: string) => void
}

/** A file that the log is in, or was in until a moment ago. */
interface Followed {
  readonly part: LogPart
  /** When it is left; `Infinity` for the log itself. */
  leaveAtMs: number
}

/**
 * Reads a log file as it grows: over the cuts that its writer makes, and when others rename it, cut it, remove it
 * or put another one in its place.
 */
export class LogFollower {
  readonly #options: FollowOptions
  /** Oldest first; the last one is the log. */
  #followed: Followed[]
  /** So many bytes were there at first, and are not shown. */
  readonly skippedBytes: number

  constructor(options: FollowOptions) {
    this.#options = options
    const parts = firstParts(options)
    this.skippedBytes = bound(parts, options.maxCatchUpBytes ?? Number.POSITIVE_INFINITY)
    const leaveAtMs = performance.now() + trailMs
    this.#followed = parts.map((part, at) => ({
      part,
      leaveAtMs: at === parts.length - 1 ? Number.POSITIVE_INFINITY : leaveAtMs,
    }))
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
    this.#notice()
    for (const { part } of this.#followed) await this.#show(part)
    const nowMs = performance.now()
    this.#leave(({ leaveAtMs }) => leaveAtMs <= nowMs)
  }

  close(): void {
    this.#leave(() => true)
  }

  /** Turns to the file that is at the path, when it is another one. */
  #notice(): void {
    const { path, offset, fileId } = this.#options
    const identity = identityOf(path)
    const current = this.#followed.at(-1)
    if (identity === undefined || identity === current?.part.identity) return
    // A file that is put back where it was goes on where it was left.
    const isFirst = current === undefined && fileId === undefined
    const known = this.#followed.find(({ part }) => part.identity === identity)
    const part = known?.part ?? LogPart.open(path, isFirst ? offset : 0)
    if (part === undefined) return
    if (current !== undefined) current.leaveAtMs = performance.now() + trailMs
    this.#followed = this.#followed.filter((followed) => followed !== known)
    this.#followed.push({ part, leaveAtMs: Number.POSITIVE_INFINITY })
  }

  async #show(part: LogPart): Promise<void> {
    if (part.isCut) {
      // What was not shown of it was kept beside it, unless somebody threw it away.
      for (const rest of partsSince(this.#options.path, part.id, part.offset)) {
        await this.#showAll(rest, part)
        rest.close()
      }
      part.restart()
    }
    await this.#showAll(part, part)
  }

  async #showAll(part: LogPart, followed: LogPart): Promise<void> {
    for (let lines = part.lines(); lines.length > 0; lines = part.lines()) {
      await this.#options.show(lines)
      part.offset += lines.length
      // Once something of a later file has been shown, this one's late lines are no place to go on from.
      if (this.#isFurthest(followed)) this.#options.onShown?.(part.offset, part.id)
    }
  }

  #isFurthest(part: LogPart): boolean {
    const at = this.#followed.findIndex((followed) => followed.part === part)
    return this.#followed.slice(at + 1).every((later) => later.part.offset === 0)
  }

  #leave(isLeft: (followed: Followed) => boolean): void {
    for (const { part } of this.#followed.filter(isLeft)) part.close()
    this.#followed = this.#followed.filter((followed) => !isLeft(followed))
  }
}

/** What there is to show, oldest first: the log, and what was in it before if it is not what it was. */
function firstParts({ path, offset, fileId }: FollowOptions): LogPart[] {
  const log = LogPart.open(path, offset)
  if (fileId === undefined || log?.id === fileId) return log === undefined ? [] : [log]
  log?.restart()
  const before = partsSince(path, fileId, offset)
  // Cut more than once since then: all that is left of the part before is news.
  return [...(before.length > 0 ? before : partBefore(path)), ...(log === undefined ? [] : [log])]
}

/** Leaves out what is too much, the oldest first; returns how many bytes that is. */
function bound(parts: readonly LogPart[], maxBytes: number): number {
  let left = maxBytes
  let skipped = 0
  for (const part of parts.toReversed()) {
    skipped += part.skipTo(left)
    left = Math.max(0, left - (part.size - part.offset))
  }
  return skipped
}
