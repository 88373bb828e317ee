import { exitStatus } from '../errors.ts'
import { CleanupStack } from '../service/cleanup-stack.ts'
import type { Logger } from '../telemetry/logger.ts'
import { logRuntimeOutput } from '../telemetry/runtime-output.ts'

/**
 * The cleanup stack of this process. An unexpected error leaves an unknown state: the stack is then released
 * and the process exits, so that a new one can start clean. From here on this process prints only log lines.
 */
export function tidyOnFault(log: Logger): CleanupStack {
  logRuntimeOutput(log)
  const stack = new CleanupStack((what, reason) => log.error({ what, reason }, 'Cannot release'))
  process.on('uncaughtException', (error) => {
    log.fatal({ error }, 'Uncaught exception')
    stack.releaseAll()
    process.exit(exitStatus.failed)
  })
  return stack
}
