import type { RunFiles } from '../config/run-dir.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { LogCursor, type LogPosition } from '../telemetry/log-cursor.ts'
import { boundedOffset, fileIdOf, LogFollower } from '../telemetry/log-follower.ts'
import type { Pm2Process } from './pm2-process.ts'

/** So much of what was logged while no bridge was attached is shown by the next one, in bytes. */
const maxCatchUpBytes = 256 * 1024

/**
 * Shows the service's log in pm2's, each line once: from where the last bridge stopped, until `signal` is
 * aborted and everything that is there by then has been shown.
 */
export async function showLog(
  files: RunFiles,
  pm2: Pick<Pm2Process, 'show'>,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const cursor = new LogCursor(files.logCursorFile)
  try {
    const start = startOf(files.logFile, cursor.read())
    if (start.skipped > 0) {
      log.warn(
        { skippedBytes: start.skipped, logFile: files.logFile },
        'Older log lines are left out here',
      )
    }
    const follower = new LogFollower({
      path: files.logFile,
      ...start.from,
      show: (lines) => pm2.show(lines),
      onShown: keepIn(cursor, log),
    })
    await follower.follow(signal)
  } catch (error) {
    log.error({ reason: messageOf(error) }, 'Cannot show the log; the service itself goes on')
  }
}

/** A cursor that cannot be written, as on a full disk, costs the next bridge its place, not this one its view. */
function keepIn(cursor: LogCursor, log: Logger): (offset: number, fileId: string) => void {
  let isWarned = false
  return (offset, fileId) => {
    try {
      cursor.write({ offset, fileId })
    } catch (error) {
      if (isWarned) return
      isWarned = true
      log.warn(
        { reason: messageOf(error) },
        'Cannot keep how far the log was shown; lines may be shown again after a reload',
      )
    }
  }
}

/** Goes on from where the log was shown to, or leaves out what is too much. */
function startOf(
  path: string,
  shown: LogPosition | undefined,
): { from: Partial<LogPosition> & { offset: number }; skipped: number } {
  const isCut = shown !== undefined && shown.fileId !== fileIdOf(path)
  const { offset, skipped } = boundedOffset(path, isCut ? 0 : (shown?.offset ?? 0), maxCatchUpBytes)
  // What was cut off comes before all of this file: it is shown only when nothing of this one is left out.
  if (isCut && skipped === 0) return { from: shown, skipped }
  return { from: { offset }, skipped }
}
