import { setTimeout as delay } from 'node:timers/promises'
import { checkRunDir, type RunFiles } from '../config/run-dir.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import { holderOf } from '../lock/holder.ts'
import { isLocked } from '../lock/is-locked.ts'
import { ControlClient } from './client.ts'

/** A primary whose control socket is taken away puts it back within seconds; one that starts has none for a moment. */
const patienceMs = 4_000
const retryEveryMs = 100
/** So long nothing is said: a service that is starting or ending is no news. */
const silentMs = 500

export interface ConnectOptions {
  /** Hangs up, also later. */
  readonly signal?: AbortSignal | undefined
  /** Told, once, that the service runs but has no control socket, and is waited for. */
  readonly onGone?: (message: string) => void
}

/**
 * Connects to a service by its run directory. When nobody listens there, the lock tells whether the service runs all
 * the same: then its control socket is waited for.
 *
 * @throws HelloserverError `NOT_RUNNING` when nobody holds the lock, `CONTROL_FAILED` when the socket does not come
 * back, `BAD_CONFIG` for a run directory or a socket that is another user's
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
      const who =
        holder === undefined ? 'a process that cannot be seen from here' : `process ${holder}`
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
        onGone?.(`Running as ${who}, but its control socket is gone; waiting until it is back`)
      }
      await delay(retryEveryMs)
    }
  }
}
