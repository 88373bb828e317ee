import { callService } from '../../src/control/call.ts'
import { ControlClient } from '../../src/control/client.ts'
import type { Status } from '../../src/status.ts'
import { isAlive, signalTo } from './processes.ts'
import type { Sandbox } from './sandbox.ts'
import type { Service } from './service.ts'
import { waitFor } from './wait-for.ts'

export type { Service }

/** What the service in a sandbox says about itself; it rejects when none runs. */
export function statusIn(sandbox: Sandbox): Promise<Status> {
  return callService(
    () => ControlClient.connect(sandbox.socketFile),
    (client) => client.request('status', {}),
  )
}

/** A service that somebody else started in a sandbox. */
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
