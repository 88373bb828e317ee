import { monotonicMs } from '../clock.ts'
import type { EndRecord } from '../ipc/worker-page.ts'
import type { PendingConnection } from './pending-connection.ts'

/** One moment by this process's clock, and by the one that it shares with the workers; in milliseconds. */
export interface Moment {
  readonly ownMs: number
  readonly sharedMs: number
}

export const momentNow = (): Moment => ({ ownMs: performance.now(), sharedMs: monotonicMs() })

/** Takes over when a worker says that it has taken a connection, as far as that can be true. */
export function timeTaken(connection: PendingConnection, takenAtMs: number, now: Moment): void {
  const { acceptedAtMs, offeredAtMs } = connection
  connection.offeredAtMs = within(takenAtMs + now.ownMs - now.sharedMs, acceptedAtMs, offeredAtMs)
}

/** Takes over the times in a worker's record, as far as they can be true. */
export function timeEnd(
  connection: PendingConnection,
  { takenAtMs, endedAtMs }: EndRecord,
  now: Moment,
): void {
  const shiftMs = now.ownMs - now.sharedMs
  connection.offeredAtMs = within(takenAtMs + shiftMs, connection.acceptedAtMs, now.ownMs)
  connection.endedAtMs = within(endedAtMs + shiftMs, connection.offeredAtMs, now.ownMs)
}

/** `ms`, or the nearest that can be true. */
function within(ms: number, leastMs: number, mostMs: number): number {
  // NaN is below everything.
  return ms > leastMs ? Math.min(ms, mostMs) : leastMs
}
