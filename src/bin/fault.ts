/** How a primary's process ends without its service: on an unexpected error, or on a fatal signal. */
import { constants } from 'node:os'
import { exitStatus } from '../errors.ts'
import { ReleaseStack } from '../service/release-stack.ts'
import type { Service } from '../service/service.ts'
import { SignalActions } from '../service/signal-actions.ts'
import { onSignal } from '../service/signals.ts'
import type { Logger } from '../telemetry/logger.ts'
import { logRuntimeOutput } from '../telemetry/runtime-output.ts'

/**
 * The release stack of this process. An unexpected error leaves an unknown state: the stack is then released
 * and the process exits, so that a new one can start clean. From here on this process prints only log lines.
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

/** Has the service act on the signals of this process; a fatal one ends the process. */
export function actOnSignals(service: Service): void {
  const { log, stack } = service
  const actions = new SignalActions(service)
  onSignal((action, signal) => {
    log.info({ signal }, `Caught ${signal}`)
    if (action !== 'fatal') {
      actions.act(action, signal)
      return
    }
    log.fatal({ signal }, `Ending on ${signal}`)
    stack.releaseAll()
    process.exit(128 + constants.signals[signal])
  })
}
