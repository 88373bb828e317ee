import { statSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { ownUid } from '../files/trust.ts'
import { descriptorsOf, linkOf, ownProcesses } from '../lock/descriptors.ts'
import { isRunning } from '../process/is-running.ts'
import type { Logger } from '../telemetry/logger.ts'
import { beginningOf, markIn, type Place } from './worker-mark.ts'

/** How soon to look again whether there are any, in milliseconds: that goes through all processes. */
export const lookAgainMs = 250

/**
 * Kills the workers of dead primaries of this service, also those that do not answer.
 *
 * @param spared - PIDs
 */
export function killStrays(
  place: Place,
  log: Logger,
  spared: ReadonlySet<number> = new Set(),
): void {
  for (const pid of strays(place)) {
    if (spared.has(pid)) continue
    log.warn({ workerPid: pid }, 'Killing a worker of a dead primary: it does not end')
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      // It has just ended.
      if (codeOf(error) !== 'ESRCH') throw error
    }
  }
}

/** The processes that hold pages of one primary. */
interface Group {
  readonly primary: number
  readonly holders: Set<number>
}

/**
 * The workers of this service whose primary is dead: processes that hold one of its pages, while it does not. A primary
 * that was upgraded and still has connections holds them. None without /proc.
 */
export function strays(place: Place): number[] {
  const folder = statSync(place.runDir, { bigint: true, throwIfNoEntry: false })
  // Without its run directory, nothing tells which service a page belongs to.
  if (folder === undefined) return []
  const beginning = beginningOf(place.name, folder)
  const uids = new Set([ownUid(), Number(folder.uid)])
  const groups = new Map<string, Group>()
  for (const pid of ownProcesses().filter((one) => one !== process.pid)) {
    for (const fd of descriptorsOf(pid)) {
      const found = markIn(linkOf(pid, fd) ?? '', beginning)
      // A page of somebody else's may be in any process that takes descriptors from strangers.
      if (found === undefined || !uids.has(ownerOf(pid, fd))) continue
      const { mark, primary } = found
      const group = groups.get(mark) ?? { primary, holders: new Set() }
      group.holders.add(pid)
      groups.set(mark, group)
    }
  }
  const isAlive = ({ primary, holders }: Group) =>
    primary === process.pid || holders.has(primary) || isHidden(primary)
  const dead = [...groups.values()].filter((group) => !isAlive(group))
  return dead.flatMap(({ holders }) => Array.from(holders))
}

/** Whether a process runs and hides its files from this one, as a primary does that has given up root. */
function isHidden(pid: number): boolean {
  return isRunning(pid) && descriptorsOf(pid).length === 0
}

/** The user who has created what a descriptor is open on; -1 when it was just closed. */
function ownerOf(pid: number, fd: string): number {
  try {
    return statSync(`/proc/${pid}/fd/${fd}`).uid
  } catch {
    return -1
  }
}
