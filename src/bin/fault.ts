import { exitStatus } from '../errors.ts'
import { ReleaseStack } from '../primary/release-stack.ts'
import type { Logger } from '../telemetry/logger.ts'
import { logRuntimeOutput } from '../telemetry/runtime-output.ts'

/**
 * The release stack of this process. An error that nobody expected leaves a state that nobody knows: what is
 * on the stack is tidied up then, and a new process can start clean. From here on this process prints log lines alone.
 */
export function tidyOnFault(log: Logger): ReleaseStack {
  logRuntimeOutput(log)
  const stack = new ReleaseStack((what, reason) => log.error({ what, reason }, 'Cannot release'))
  process.on('uncaughtException', (error) => {
    log.fatal({ error }, 'Uncaught exception')
    stack.releaseAll()
    process.exit(exitStatus.failed)
  })
  return stack
}
