import assert from 'node:assert/strict'
import { runFiles } from '../../src/config/run-dir.ts'
import { callService } from '../../src/control/call.ts'
import { ControlClient } from '../../src/control/client.ts'
import { stopService } from '../../src/control/stop.ts'
import { primaryModule } from '../../src/launch/launch.ts'
import type { ReloadResult } from '../../src/status.ts'
import type { Sandbox } from './sandbox.ts'
import { within } from './wait-for.ts'

/**
 * What the commands ask of a service, asked by the test itself. A start of the command line costs more than most of what
 * it asks for; the tests that are about its words and its exit statuses run the real one.
 */

/** Whose service is meant. */
export type Place = Sandbox | { readonly sandbox: Sandbox }

const socketOf = (place: Place) => ('sandbox' in place ? place.sandbox : place).socketFile

/** Asks the service that runs there. */
export function asked<T>(place: Place, use: (client: ControlClient) => Promise<T>): Promise<T> {
  const connect = () => ControlClient.connect(socketOf(place))
  return within('an answer of the service', callService(connect, use))
}

/** A reload, whatever comes of it. */
export function tryReload(place: Place): Promise<ReloadResult> {
  return asked(place, (client) => client.request('reload', {}))
}

/** A reload that must be done. */
export async function reload(place: Place): Promise<ReloadResult> {
  const result = await tryReload(place)
  assert.equal(result.outcome, 'done', result.reason ?? '')
  return result
}

/** An upgrade to `program`, whatever comes of it; to this build's when that is left out. */
export function tryUpgrade(place: Place, program = primaryModule): Promise<ReloadResult> {
  return asked(place, (client) => client.request('upgrade', { program }))
}

/** Another number of workers. */
export async function scale(place: Place, workers: number): Promise<void> {
  await asked(place, (client) => client.request('scale', { workers }))
}

/** An upgrade that must be done. */
export async function upgrade(place: Place): Promise<void> {
  const { outcome, reason } = await tryUpgrade(place)
  assert.equal(outcome, 'done', reason ?? '')
}

/** A stop; resolves when the process is gone, with how many connections it has dropped. */
export async function stop(place: Place): Promise<{ readonly dropped: number }> {
  const { runDir } = 'sandbox' in place ? place.sandbox : place
  const files = runFiles('helloserver', { HELLOSERVER_RUN_DIR: runDir })
  return asked(place, (client) =>
    stopService(client, files, { everyMs: 60_000, onProgress: () => {} }),
  )
}
