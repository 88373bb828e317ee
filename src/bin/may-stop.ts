import type { Fleet } from '../fleet/fleet.ts'
import type { Primary } from '../primary/primary.ts'

/**
 * Resolves when this host may stop: with the process that is to be asked instead, if another one has become the
 * service meanwhile.
 *
 * @param force - without waiting for the other hosts
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
