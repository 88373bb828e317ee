import { constants } from 'node:os'
import type { Service } from '../service/service.ts'
import { SignalActions } from '../service/signal-actions.ts'
import { onSignal } from '../service/signals.ts'

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
    // Such a signal ends the service, not this process alone.
    service.pool.freeze()
    stack.releaseAll()
    process.exit(128 + constants.signals[signal])
  })
}
