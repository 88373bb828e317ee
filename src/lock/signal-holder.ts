import { HelloserverError } from '../errors.ts'
import { holdsLock, type LockFiles } from './holder.ts'

/**
 * Sends a signal to a service's primary. The source of its PID (a file, a message from another PID namespace)
 * may be out of date, or may mean another process, which must not be signalled.
 *
 * @throws HelloserverError `CONTROL_FAILED` when the process does not hold the service's lock; errors of
 * kill(2)
 */
export function signalHolder(pid: number, files: LockFiles, signal: NodeJS.Signals): void {
  if (!holdsLock(pid, files)) {
    throw new HelloserverError(
      'CONTROL_FAILED',
      `Not sending ${signal} to process ${pid}: it does not hold the lock ${files.lockFile}`,
    )
  }
  process.kill(pid, signal)
}
