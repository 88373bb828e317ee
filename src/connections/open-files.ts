import { openSync, readdirSync, readSync } from 'node:fs'
import { openFilesLimitIn } from '../process/open-files-limit.ts'

/** Large enough for what the kernel writes into `/proc/self/limits`. */
const limitsBytes = 4_096

/** The file descriptors of this process: how many it may have at this moment, and how many are open. */
export class OpenFiles {
  /** Kept open, since it must be readable when no descriptor is left to open it. */
  readonly #limits = openLimits()

  /** RLIMIT_NOFILE, which others can change while this process runs (prlimit(1)); infinite when it cannot be read. */
  get limit(): number {
    if (this.#limits === undefined) return Number.POSITIVE_INFINITY
    const bytes = Buffer.alloc(limitsBytes)
    const length = readSync(this.#limits, bytes, 0, limitsBytes, 0)
    return openFilesLimitIn(bytes.toString('latin1', 0, length))
  }

  /** How many more can be opened; infinite when the limit is unknown. */
  get free(): number {
    const { limit } = this
    return Number.isFinite(limit) ? Math.max(0, limit - countOpen(limit)) : limit
  }
}

function openLimits(): number | undefined {
  try {
    return openSync('/proc/self/limits', 'r')
  } catch {
    // Not Linux.
    return undefined
  }
}

function countOpen(limit: number): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    // No descriptor was left for the directory itself.
    return limit
  }
}
