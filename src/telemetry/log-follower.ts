import { setTimeout as delay } from 'node:timers/promises'
import { identityOf } from '../files/file-identity.ts'
import { partBefore, partsSince } from './log-history.ts'
import { LogPart } from './log-part.ts'

/** How often the file is checked, in milliseconds. */
const checkEveryMs = 100
/**
 * How long a file that is no longer the log is still read, since its writer takes a moment to notice, in
 * milliseconds.
 */
const trailMs = 10_000

export interface FollowOptions {
  /** The log file; it may not exist yet. */
  readonly path: string
  /** Where to continue, in bytes. */
  readonly offset: number
  /** The file that the offset refers to (`logIdOf`), if it may not be the current one. */
  readonly fileId?: string
  /** The maximum amount of the existing content to show, in bytes. */
  readonly maxCatchUpBytes?: number
  /** Receives whole lines, including newlines; the next ones are read when it resolves. */
  readonly show: (lines: Buffer) => Promise<void>
  /** Called after each `show` with how far which file has been shown. */
  readonly onShown?: (offset: number, fileId: string) => void
}

/** A file that is the log, or was until a moment ago. */
interface Followed {
  readonly part: LogPart
  /** When to stop reading it; `Infinity` for the log itself. */
  leaveAtMs: number
}

/**
 * Reads a log file as it grows: across its writer's cuts, and when other programs rename, cut, remove or replace it.
 */
export class LogFollower {
  readonly #options: FollowOptions
  /** Oldest first; the last one is the log. */
  #followed: Followed[]
  /** The number of bytes of existing content that are not shown. */
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

  /** Follows the file until `signal` is aborted; resolves when everything written by then has been shown. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.catchUp()
      await delay(checkEveryMs, undefined, { signal }).catch(() => {})
    }
    await this.catchUp()
  }

  /** Shows every whole line that exists now. */
  async catchUp(): Promise<void> {
    this.#notice()
    for (const { part } of this.#followed) await this.#show(part)
    const nowMs = performance.now()
    this.#leave(({ leaveAtMs }) => leaveAtMs <= nowMs)
  }

  close(): void {
    this.#leave(() => true)
  }

  /** Switches to the file at the path, if it is a different one. */
  #notice(): void {
    const { path, offset, fileId } = this.#options
    const identity = identityOf(path)
    const current = this.#followed.at(-1)
    if (identity === undefined || identity === current?.part.identity) return
    // A file that is moved back to the path continues where it was left.
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
      // The part not shown yet was kept beside the file, unless it was removed there.
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
      // Once a later file has been shown in part, late lines in this one must not move the cursor back.
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

/** The parts to show, oldest first: the log, and its earlier content if it has been cut or replaced. */
function firstParts({ path, offset, fileId }: FollowOptions): LogPart[] {
  const log = LogPart.open(path, offset)
  if (fileId === undefined || log?.id === fileId) return log === undefined ? [] : [log]
  log?.restart()
  const before = partsSince(path, fileId, offset)
  // The file was cut more than once since then: everything left of the previous part is new.
  return [...(before.length > 0 ? before : partBefore(path)), ...(log === undefined ? [] : [log])]
}

/** Skips the oldest content beyond the limit; returns the number of skipped bytes. */
function bound(parts: readonly LogPart[], maxBytes: number): number {
  let left = maxBytes
  let skipped = 0
  for (const part of parts.toReversed()) {
    skipped += part.skipTo(left)
    left = Math.max(0, left - (part.size - part.offset))
  }
  return skipped
}
