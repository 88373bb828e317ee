import assert from 'node:assert/strict'
import { runFiles } from '../../src/config/run-dir.ts'
import { callService } from '../../src/control/call.ts'
import { ControlClient } from '../../src/control/control-client.ts'
import { stopService } from '../../src/control/stop.ts'
import { primaryModule } from '../../src/launch/launch.ts'
import type { ReloadResult } from '../../src/status.ts'
import type { Sandbox } from './sandbox.ts'
import { within } from './wait-for.ts'

/**
 * The requests that the commands send to a service, sent by the test itself. Starting the command line costs more
 * than most of its requests do; the tests of its output and exit statuses run the real one.
 */

/** The service to ask, by its sandbox. */
export type Place = Sandbox | { readonly sandbox: Sandbox }

const socketOf = (place: Place) => ('sandbox' in place ? place.sandbox : place).socketFile

/** Sends a request to the service of a sandbox. */
export function asked<T>(place: Place, use: (client: ControlClient) => Promise<T>): Promise<T> {
  const connect = () => ControlClient.connect(socketOf(place))
  return within('an answer of the service', callService(connect, use))
}

/** Reloads; the reload may fail. */
export function tryReload(place: Place): Promise<ReloadResult> {
  return asked(place, (client) => client.request('reload', {}))
}

/** Reloads; the reload must succeed. */
export async function reload(place: Place): Promise<ReloadResult> {
  const result = await tryReload(place)
  assert.equal(result.outcome, 'done', result.reason ?? '')
  return result
}

/** Upgrades to `program`, by default this build's own; the upgrade may fail. */
export function tryUpgrade(place: Place, program = primaryModule): Promise<ReloadResult> {
  return asked(place, (client) => client.request('upgrade', { program }))
}

/** Changes the number of workers. */
export async function scale(place: Place, workers: number): Promise<void> {
  await asked(place, (client) => client.request('scale', { workers }))
}

/** Upgrades; the upgrade must succeed. */
export async function upgrade(place: Place): Promise<void> {
  const { outcome, reason } = await tryUpgrade(place)
  assert.equal(outcome, 'done', reason ?? '')
}

/** Stops the service; resolves when the process is gone, with the number of dropped connections. */
export async function stop(place: Place): Promise<{ readonly dropped: number }> {
  const { runDir } = 'sandbox' in place ? place.sandbox : place
  const files = runFiles('helloserver', { HELLOSERVER_RUN_DIR: runDir })
  return asked(place, (client) =>
    stopService(client, files, { everyMs: 60_000, onProgress: () => {} }),
  )
}
