import { callService } from '../../src/control/call.ts'
import { ControlClient } from '../../src/control/control-client.ts'
import type { Status } from '../../src/status.ts'
import { isAlive, signalTo } from './processes.ts'
import type { Sandbox } from './sandbox.ts'
import type { Service } from './service.ts'
import { waitFor } from './wait-for.ts'

export type { Service }

/** The status of the service in a sandbox; rejects when none is running. */
export function statusIn(sandbox: Sandbox): Promise<Status> {
  return statusAt(sandbox.socketFile)
}

/** The status of the service that has a control socket at this path. */
export function statusAt(socketFile: string): Promise<Status> {
  return callService(
    () => ControlClient.connect(socketFile),
    (client) => client.request('status', {}),
  )
}

/** A service in a sandbox that was started by other means. */
export function serviceAt(sandbox: Sandbox, pid: number, port: number): Service {
  return {
    sandbox,
    port,
    pid,
    status: () => statusIn(sandbox),
    cli: (...args) => sandbox.cli(...args),
    signal: (signal) => void signalTo(pid, signal),
    log: () => sandbox.log(),
    async stop() {
      signalTo(pid, 'SIGUSR1')
      await waitFor('the end of the primary', () => !isAlive(pid))
    },
  }
}
