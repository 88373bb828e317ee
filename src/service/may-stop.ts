import type { Fleet } from '../fleet/fleet.ts'
import type { Primary } from './primary.ts'

/**
 * Resolves when this host may stop; with the PID of the process to ask instead, if another one has become the
 * service in the meantime.
 *
 * @param force - do not wait for the other hosts
 */
export async function mayStop(
  primary: Primary,
  fleet: Fleet,
  cause: string,
  force: boolean,
): Promise<number | undefined> {
  await primary.decided
  if (primary.successorPid !== undefined) return primary.successorPid
  await fleet.mayStop(cause, force)
  await primary.decided
  return primary.successorPid
}
