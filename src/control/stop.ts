import { setTimeout as delay } from 'node:timers/promises'
import { holdsLock, type LockFiles } from '../lock/holder.ts'
import { isRunning } from '../process/is-running.ts'
import type { Status } from '../status.ts'
import type { ControlClient } from './control-client.ts'
import type { Results } from './protocol.ts'

/** How often to check whether the process is gone, in milliseconds. */
const checkEveryMs = 5

/** A receiver of a stop's progress, and how often it wants a report. */
export interface StopFollower {
  readonly everyMs: number
  onProgress(progress: StopProgress): void
}

/** The stages of a stop: a wait for the fleet's permit, then a drain. */
export type StopProgress = Pick<Status, 'drain' | 'fleet'>

/**
 * Asks a service to stop, and waits until its process is gone, not only for its answer, its port and its lock.
 *
 * @param follower - receives the progress, first after `everyMs`: nothing when the stop is quick
 * @param force - whether to stop without the fleet's permit
 */
export async function stopService(
  client: ControlClient,
  files: LockFiles,
  follower: StopFollower,
  force = false,
): Promise<Results['stop']> {
  const { pid } = await client.request('status', {})
  // In another PID namespace, the number belongs to another process, which may never end.
  const isVisible = holdsLock(pid, files)
  const over = new AbortController()
  void follow(client, follower, over.signal)
  try {
    const result = await client.request('stop', { force })
    await client.closed
    if (isVisible) await ended(pid)
    return result
  } finally {
    over.abort()
  }
}

async function ended(pid: number): Promise<void> {
  while (isRunning(pid)) await delay(checkEveryMs)
}

/** Polls, since each caller chooses how often it shows progress, and the service need not know of it. */
async function follow(
  client: ControlClient,
  follower: StopFollower,
  signal: AbortSignal,
): Promise<void> {
  try {
    for (;;) {
      await delay(follower.everyMs, undefined, { signal })
      const { drain, fleet } = await client.request('status', {})
      const isUnderWay = drain !== null || fleet?.waiting
      if (!signal.aborted && isUnderWay) follower.onProgress({ drain, fleet })
    }
  } catch {
    // The stop is over, or the service has closed the connection: the answer to the stop tells the outcome.
  }
}
