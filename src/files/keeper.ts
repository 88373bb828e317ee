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
  /** Puts it there; throws when what is there now must stay. An error is reported, and the attempt repeated. */
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

/** The state of something's restoration. */
interface Restoration {
  readonly delayMs: number
  readonly tryAtMs: number
  readonly loggedReason: string | undefined
}

/** Keeps files in their places: checks every second, and restores those that are missing. */
export class Keeper {
  readonly #listener: KeeperListener
  readonly #timer: NodeJS.Timeout
  readonly #restorations = new Map<Kept, Restoration>()
  #kept: readonly Kept[] = []
  #others: () => readonly Kept[]
  #round: Promise<void> | undefined

  /** @param others - what else is to be kept at the moment, behind everything that `keep` is given */
  constructor(listener: KeeperListener, others: () => readonly Kept[] = () => []) {
    this.#listener = listener
    this.#others = others
    this.#timer = setInterval(
      () => void (this.#round ?? this.#begin(performance.now())),
      checkEveryMs,
    )
    this.#timer.unref()
  }

  /** Also keeps these, in this order. */
  keep(...all: readonly Kept[]): void {
    this.#kept = [...new Set([...this.#kept, ...all])]
  }

  /** Stops keeping these; resolves when none of them is being restored. */
  async leave(...all: readonly Kept[]): Promise<void> {
    this.#kept = this.#kept.filter((kept) => !all.includes(kept))
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
    this.#kept = []
    this.#others = () => []
    await this.#round
  }

  get #all(): readonly Kept[] {
    return [...this.#kept, ...this.#others()]
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
    for (const kept of this.#all) {
      // A file that was left in the meantime is for others to restore or to remove.
      if (!this.#all.includes(kept)) continue
      const isRestored = await this.#restore(kept, nowMs, news)
      if (!isRestored && kept.isGround) break
    }
    for (const tell of news) tell()
  }

  /** Returns whether it is there in the end. */
  async #restore(kept: Kept, nowMs: number, news: (() => void)[]): Promise<boolean> {
    if (isThere(kept)) {
      this.#restorations.delete(kept)
      return true
    }
    const restoration = this.#restorations.get(kept) ?? fresh()
    if (nowMs < restoration.tryAtMs) return false
    const loss = identityOf(kept.path) === undefined ? 'missing' : 'replaced'
    try {
      await kept.putBack()
      this.#restorations.delete(kept)
      news.push(() => this.#listener.onPutBack(kept, loss))
      return true
    } catch (error) {
      const reason = messageOf(error)
      // Restoring what was left in the meantime has no meaning any more.
      if (!this.#all.includes(kept)) return false
      if (reason !== restoration.loggedReason)
        news.push(() => this.#listener.onFailure(kept, loss, reason))
      this.#restorations.set(kept, postponed(restoration, reason))
      return false
    }
  }
}

/** The next attempt comes later; the same reason is not reported again. */
function postponed({ delayMs: lastMs }: Restoration, loggedReason: string): Restoration {
  const delayMs = Math.min(maxDelayMs, lastMs * 2)
  return { delayMs, tryAtMs: performance.now() + delayMs, loggedReason }
}

/** A path that cannot be examined, since its folder is closed, leads nowhere; restoring it gives the reason. */
function isThere(kept: Kept): boolean {
  try {
    return kept.isThere()
  } catch {
    return false
  }
}

function fresh(): Restoration {
  return { delayMs: checkEveryMs / 2, tryAtMs: 0, loggedReason: undefined }
}
