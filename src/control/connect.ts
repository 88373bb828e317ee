import { setTimeout as delay } from 'node:timers/promises'
import { checkRunDir, type RunFiles } from '../config/run-dir.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import { holderOf } from '../lock/holder.ts'
import { isLocked } from '../lock/is-locked.ts'
import { ControlClient } from './control-client.ts'

/** A primary restores a missing control socket within seconds; a starting one has none for a moment. */
const patienceMs = 4_000
const retryEveryMs = 100
/** How long to wait in silence, in milliseconds: a service that is starting or ending needs no message. */
const silentMs = 500

export interface ConnectOptions {
  /** Closes the connection, also later. */
  readonly signal?: AbortSignal | undefined
  /** Called once if the service runs without a control socket, which is then waited for. */
  readonly onGone?: (message: string) => void
}

/**
 * Connects to a service by its run directory. If no process listens there but the lock shows that the service runs,
 * waits for its control socket.
 *
 * @throws HelloserverError `NOT_RUNNING` when no process holds the lock, `CONTROL_FAILED` when the socket does not
 * come back, `BAD_CONFIG` when the run directory or the socket belongs to another user
 */
export async function connectTo(
  files: RunFiles,
  { signal, onGone }: ConnectOptions = {},
): Promise<ControlClient> {
  const startedMs = performance.now()
  let isTold = false
  for (;;) {
    checkRunDir(files)
    try {
      return await ControlClient.connect(files.socketFile, signal)
    } catch (error) {
      if (codeOf(error) !== 'NOT_RUNNING') throw error
      const holder = holderOf(files)
      if (holder === undefined && !(await isLocked(files))) throw error
      const who = holder === undefined ? 'a process that is not visible here' : `process ${holder}`
      const waitedMs = performance.now() - startedMs
      if (waitedMs > patienceMs || signal?.aborted) {
        throw new HelloserverError(
          'CONTROL_FAILED',
          `Running as ${who}, but its control socket ${files.socketFile} is gone and did not come back within ${patienceMs} ms`,
          { cause: error },
        )
      }
      if (!isTold && waitedMs > silentMs) {
        isTold = true
        onGone?.(`Running as ${who}, but its control socket is gone; waiting for it to come back`)
      }
      await delay(retryEveryMs)
    }
  }
}
