import { setTimeout as delay } from 'node:timers/promises'
import { isRunning } from '../is-running.ts'
import { holdsLock, type LockFiles } from '../lock/holder.ts'
import type { Status } from '../status.ts'
import type { ControlClient } from './client.ts'
import type { Results } from './protocol.ts'

/** How often it is looked whether the process is gone, in milliseconds. */
const lookEveryMs = 5

/** Who wants to know how a stop gets on, and how often. */
export interface StopFollower {
  readonly everyMs: number
  onProgress(progress: StopProgress): void
}

/** What a stop goes through: a wait for the fleet's permit, then a drain. */
export type StopProgress = Pick<Status, 'drain' | 'fleet'>

/**
 * Asks a service to stop, and waits until its process is gone: not only its answer, its port and its lock.
 *
 * @param follower - told how it gets on, first after `everyMs`: not at all when it is quick
 * @param force - without waiting for the fleet's permit
 */
export async function stopService(
  client: ControlClient,
  files: LockFiles,
  follower: StopFollower,
  force = false,
): Promise<Results['stop']> {
  const { pid } = await client.request('status', {})
  // In another PID namespace the number is another process's, whose end would be waited for in vain.
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
  while (isRunning(pid)) await delay(lookEveryMs)
}

/** Asked for, not sent: who waits asks as often as it wants to show, and the service need not know of it. */
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
    // It is over, or the service has hung up: the answer to the stop says what came of it.
  }
}
