import { exitStatus } from '../errors.ts'
import { ReleaseStack } from '../primary/release-stack.ts'
import type { Logger } from '../telemetry/logger.ts'

/** A release stack that logs what it could not release. */
export function releaseStack(log: Logger): ReleaseStack {
  return new ReleaseStack((what, reason) => log.error({ what, reason }, 'Cannot release'))
}

/** An error that nobody expected leaves a state that nobody knows: tidy up, and let a new process start clean. */
export function endOnFault(log: Logger, stack: ReleaseStack): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ error }, 'Uncaught exception')
    stack.releaseAll()
    process.exit(exitStatus.failed)
  })
}
