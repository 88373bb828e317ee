import { messageOf } from '../errors.ts'
import { identityOf } from './file-identity.ts'

/** How often to check that everything is in place, in milliseconds. */
const checkEveryMs = 1_000
/** The longest delay between attempts to restore a file, in milliseconds; the delays double from one check. */
const maxDelayMs = 60_000

/** Something in the file system that others can remove or replace. */
export interface Kept {
  /** Its name for people, such as "control socket". */
  readonly what: string
  readonly path: string
  /** Whether it is at its path; true before it was first put there. The check costs one or two system calls. */
  isThere(): boolean
  /** Puts it there, in place of whatever is there now. An error is reported, and the attempt repeated. */
  putBack(): void | Promise<void>
  /** Without it, the others are not restored either, as without their folder, or in one that is not ours. */
  readonly isGround?: boolean
}

/** How something was lost: nothing is at its path any more, or something else is. */
export type Loss = 'missing' | 'replaced'

/** Called for each restored file and, once for each reason, for a file that cannot be restored. */
export interface KeeperListener {
  onPutBack(kept: Kept, loss: Loss): void
  onFailure(kept: Kept, loss: Loss, reason: string): void
}

/** Something that is kept, and the state of its restoration. */
interface Entry {
  readonly kept: Kept
  delayMs: number
  tryAtMs: number
  loggedReason: string | undefined
}

/** Keeps files in their places: checks every second, and restores those that are missing. */
export class Keeper {
  readonly #listener: KeeperListener
  readonly #timer: NodeJS.Timeout
  #entries: readonly Entry[] = []
  #round: Promise<void> | undefined

  constructor(listener: KeeperListener) {
    this.#listener = listener
    this.#timer = setInterval(
      () => void (this.#round ?? this.#begin(performance.now())),
      checkEveryMs,
    )
    this.#timer.unref()
  }

  /** Also keeps these, in this order. */
  keep(...all: readonly Kept[]): void {
    const known = new Set(this.#entries.map(({ kept }) => kept))
    const added = all.filter((kept) => !known.has(kept))
    this.#entries = [...this.#entries, ...added.map(fresh)]
  }

  /** Stops keeping these; resolves when none of them is being restored. */
  async leave(...all: readonly Kept[]): Promise<void> {
    this.#entries = this.#entries.filter(({ kept }) => !all.includes(kept))
    await this.#round
  }

  /** Checks at once, and at once retries what could not be restored; resolves when that is done. */
  async check(): Promise<void> {
    if (this.#round !== undefined) await this.#round
    await this.#begin(Number.POSITIVE_INFINITY)
  }

  /** Stops keeping anything; resolves when nothing is being restored. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#entries = []
    await this.#round
  }

  #begin(nowMs: number): Promise<void> {
    this.#round ??= this.#restoreAll(nowMs).finally(() => {
      this.#round = undefined
    })
    return this.#round
  }

  async #restoreAll(nowMs: number): Promise<void> {
    // Reported at the end, since the log may be among the restored files.
    const news: (() => void)[] = []
    for (const entry of this.#entries) {
      // A file that was left in the meantime is for others to restore or to remove.
      if (!this.#entries.includes(entry)) continue
      const isRestored = await this.#restore(entry, nowMs, news)
      if (!isRestored && entry.kept.isGround) break
    }
    for (const tell of news) tell()
  }

  /** Returns whether it is there in the end. */
  async #restore(entry: Entry, nowMs: number, news: (() => void)[]): Promise<boolean> {
    const { kept } = entry
    if (isThere(kept)) {
      Object.assign(entry, fresh(kept))
      return true
    }
    if (nowMs < entry.tryAtMs) return false
    const loss = identityOf(kept.path) === undefined ? 'missing' : 'replaced'
    try {
      await kept.putBack()
      Object.assign(entry, fresh(kept))
      news.push(() => this.#listener.onPutBack(kept, loss))
      return true
    } catch (error) {
      const reason = messageOf(error)
      if (this.#isNews(entry, reason)) news.push(() => this.#listener.onFailure(kept, loss, reason))
      return false
    }
  }

  /** Postpones the next attempt; returns whether the reason is a new one. */
  #isNews(entry: Entry, reason: string): boolean {
    entry.delayMs = Math.min(maxDelayMs, entry.delayMs * 2)
    entry.tryAtMs = performance.now() + entry.delayMs
    const isNews = entry.loggedReason !== reason
    entry.loggedReason = reason
    return isNews
  }
}

/** A path that cannot be examined, since its folder is closed, leads nowhere; restoring it gives the reason. */
function isThere(kept: Kept): boolean {
  try {
    return kept.isThere()
  } catch {
    return false
  }
}

function fresh(kept: Kept): Entry {
  return { kept, delayMs: checkEveryMs / 2, tryAtMs: 0, loggedReason: undefined }
}
