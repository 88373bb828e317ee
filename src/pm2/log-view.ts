import { setTimeout as delay } from 'node:timers/promises'
import type { RunFiles } from '../config/run-dir.ts'
import { messageOf } from '../errors.ts'
import { Keeper } from '../files/keeper.ts'
import { LogCursor, type LogPosition } from '../telemetry/log-cursor.ts'
import { LogFollower } from '../telemetry/log-follower.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Pm2Process } from './pm2-process.ts'

/** How much of the log from the time without a bridge the next bridge shows, in bytes. */
const maxCatchUpBytes = 256 * 1024
/** How long to wait before another attempt to read the log, in milliseconds. */
const retryAfterMs = 1_000

/**
 * Shows the service's log in pm2's, each line once: from where the last bridge stopped until `signal` is
 * aborted and everything logged by then has been shown.
 */
export async function showLog(
  files: RunFiles,
  pm2: Pick<Pm2Process, 'show'>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const saved = new SavedPosition(files.logCursorFile, log)
  let isTold = false
  for (;;) {
    try {
      await followFrom(saved, files, pm2, log, signal)
      break
    } catch (error) {
      if (!isTold) {
        log.error({ reason: messageOf(error) }, 'Cannot show the log; the service keeps running')
      }
      isTold = true
    }
    if (signal.aborted) break
    await delay(retryAfterMs, undefined, { signal }).catch(() => {})
  }
  await saved.close()
}

async function followFrom(
  saved: SavedPosition,
  { logFile: path }: RunFiles,
  pm2: Pick<Pm2Process, 'show'>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const follower = new LogFollower({
    path,
    ...(saved.position ?? { offset: 0 }),
    maxCatchUpBytes,
    show: (lines) => pm2.show(lines),
    onShown: (offset, fileId) => saved.moveTo({ offset, fileId }),
  })
  const { skippedBytes } = follower
  if (skippedBytes > 0) log.warn({ skippedBytes, logFile: path }, 'Skipping older log lines')
  try {
    await follower.follow(signal)
  } finally {
    follower.close()
  }
}

/**
 * How far the log has been shown, for the next bridge. If the position cannot be written, as on a full disk,
 * the next bridge lacks its starting point, but this one still shows the log.
 */
class SavedPosition {
  readonly #cursor: LogCursor
  readonly #log: Logger
  readonly #keeper: Keeper
  #isWarned = false
  position: LogPosition | undefined

  constructor(path: string, log: Logger) {
    this.#cursor = new LogCursor(path)
    this.#log = log
    this.position = this.#cursor.read()
    this.#keeper = new Keeper({
      onPutBack: () => {},
      onFailure: (_, __, reason) => this.#warn(reason),
    })
    this.#keeper.keep({
      what: 'log cursor',
      path,
      isThere: () => this.#cursor.isThere,
      putBack: () => this.#write(),
    })
  }

  moveTo(position: LogPosition): void {
    this.position = position
    try {
      this.#write()
    } catch (error) {
      this.#warn(messageOf(error))
    }
  }

  close(): Promise<void> {
    return this.#keeper.close()
  }

  #write(): void {
    if (this.position !== undefined) this.#cursor.write(this.position)
  }

  #warn(reason: string): void {
    if (this.#isWarned) return
    this.#isWarned = true
    this.#log.warn(
      { reason },
      'Cannot save the position in the log; lines may be shown again after a reload',
    )
  }
}
