import { messageOf } from '../errors.ts'
import { identityOf } from './identity.ts'

/** How often it is looked whether everything is there, in milliseconds. */
const lookEveryMs = 1_000
/** What cannot be put back is tried again after one look, then ever more seldom, up to this, in milliseconds. */
const maxDelayMs = 60_000

/** Something in the file system that others can take away, or put something else in the place of. */
export interface Kept {
  /** Its name for people, such as "control socket". */
  readonly what: string
  readonly path: string
  /** Whether it is at its path; true before it was put there for the first time. A look costs a call of the system or two. */
  isThere(): boolean
  /** Puts it there, in place of what is there now. Whatever this throws is said and tried again. */
  putBack(): void | Promise<void>
  /** Without it the others are not put back either, as without their folder, or in one that is not ours. */
  readonly isGround?: boolean
}

/** What somebody took away: nothing is there any more, or something else. */
export type Loss = 'missing' | 'replaced'

/** Told of what comes back, and, once for each reason, of what cannot. */
export interface KeeperListener {
  onPutBack(kept: Kept, loss: Loss): void
  onFailure(kept: Kept, loss: Loss, reason: string): void
}

/** Something that is kept, and how it gets on. */
interface Entry {
  readonly kept: Kept
  delayMs: number
  tryAtMs: number
  told: string | undefined
}

/** Keeps files where they are looked for: looks every second, and puts back what is not there. */
export class Keeper {
  readonly #listener: KeeperListener
  readonly #timer: NodeJS.Timeout
  #entries: readonly Entry[] = []
  #round: Promise<void> | undefined

  constructor(listener: KeeperListener) {
    this.#listener = listener
    this.#timer = setInterval(
      () => void (this.#round ?? this.#begin(performance.now())),
      lookEveryMs,
    )
    this.#timer.unref()
  }

  /** Keeps these too, in this order. */
  keep(...all: readonly Kept[]): void {
    const known = new Set(this.#entries.map(({ kept }) => kept))
    const added = all.filter((kept) => !known.has(kept))
    this.#entries = [...this.#entries, ...added.map(fresh)]
  }

  /** Keeps these no more; resolves when none of them is being put back. */
  async leave(...all: readonly Kept[]): Promise<void> {
    this.#entries = this.#entries.filter(({ kept }) => !all.includes(kept))
    await this.#round
  }

  /** Looks at once, and tries at once what could not be put back; resolves when that is done. */
  async check(): Promise<void> {
    if (this.#round !== undefined) await this.#round
    await this.#begin(Number.POSITIVE_INFINITY)
  }

  /** Keeps nothing any more; resolves when nothing is being put back. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#entries = []
    await this.#round
  }

  #begin(nowMs: number): Promise<void> {
    this.#round ??= this.#look(nowMs).finally(() => {
      this.#round = undefined
    })
    return this.#round
  }

  async #look(nowMs: number): Promise<void> {
    // Told in the end: the log may be among what is put back.
    const news: (() => void)[] = []
    for (const entry of this.#entries) {
      // Whatever was left meanwhile is somebody else's to put there, or to be removed.
      if (!this.#entries.includes(entry)) continue
      const isHeld = await this.#hold(entry, nowMs, news)
      if (!isHeld && entry.kept.isGround) break
    }
    for (const tell of news) tell()
  }

  /** Whether it is there in the end. */
  async #hold(entry: Entry, nowMs: number, news: (() => void)[]): Promise<boolean> {
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

  /** Puts the next attempt off; returns whether that reason was not told yet. */
  #isNews(entry: Entry, reason: string): boolean {
    entry.delayMs = Math.min(maxDelayMs, entry.delayMs * 2)
    entry.tryAtMs = performance.now() + entry.delayMs
    const isNews = entry.told !== reason
    entry.told = reason
    return isNews
  }
}

/** A path that cannot be looked at, since its folder is closed, leads nowhere; putting it back gives the reason. */
function isThere(kept: Kept): boolean {
  try {
    return kept.isThere()
  } catch {
    return false
  }
}

function fresh(kept: Kept): Entry {
  return { kept, delayMs: lookEveryMs / 2, tryAtMs: 0, told: undefined }
}
