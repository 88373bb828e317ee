import type { RunFiles } from '../config/run-dir.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { boundedOffset, LogCursor, LogFollower } from '../telemetry/log-follower.ts'
import type { Pm2Process } from './pm2-process.ts'

/** So much of what was logged while no bridge was attached is shown by the next one, in bytes. */
const maxCatchUpBytes = 256 * 1024

/**
 * Shows the service's log in pm2's, each line once: from where the last bridge stopped, until `signal` is
 * aborted and everything that is there by then has been shown.
 */
export async function showLog(
  files: RunFiles,
  pm2: Pm2Process,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const cursor = new LogCursor(files.logCursorFile)
  try {
    const { offset, skipped } = boundedOffset(files.logFile, cursor.read(), maxCatchUpBytes)
    if (skipped > 0) {
      log.warn(
        { skippedBytes: skipped, logFile: files.logFile },
        'Older log lines are left out here',
      )
    }
    const follower = new LogFollower({
      path: files.logFile,
      offset,
      show: (lines) => pm2.show(lines),
      onShown: (shown) => cursor.write(shown),
    })
    await follower.follow(signal)
  } catch (error) {
    log.error({ reason: messageOf(error) }, 'Cannot show the log; the service itself goes on')
  }
}
