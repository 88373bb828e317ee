import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { withinWorkers } from './worker-count.ts'

/**
 * How many processes can run at a time: one for each processor that this process may use
 * (sched_setaffinity(2)), or fewer where its control group has a CPU quota, as containers and systemd's
 * CPUQuota set it. Part of a processor counts as a whole one: with fewer workers, that part would never be
 * used.
 *
 * @param root - where /proc and the control groups are
 */
export function availableCpus(root = '/', processors = availableParallelism()): number {
  const quota = cpuQuota(root)
  return withinWorkers(Math.min(processors, Math.ceil(quota)))
}

/** The smallest CPU quota of this process's control group and its ancestors, in processors; else infinite. */
export function cpuQuota(root: string): number {
  const groups = readIn(root, '/proc/self/cgroup')
  const mounts = readIn(root, '/proc/self/mountinfo')
  // Not Linux, or a system without control groups.
  if (groups === undefined || mounts === undefined) return Number.POSITIVE_INFINITY
  const quotas = mounts.split('\n').flatMap((line) => {
    const mount = mountIn(line)
    if (mount === undefined) return []
    const group = groupOf(groups, mount.isUnified)
    return foldersOf(mount, group).map((folder) => quotaIn(root, folder, mount.isUnified))
  })
  return Math.min(Number.POSITIVE_INFINITY, ...quotas)
}

/** A mounted file system of control groups (proc_pid_mountinfo(5)). */
interface Mount {
  /** The control group at the mount's root, and the folder where it is mounted. */
  readonly group: string
  readonly folder: string
  /** Whether this is version 2, which has one hierarchy for all controllers. */
  readonly isUnified: boolean
}

function mountIn(line: string): Mount | undefined {
  const [front = '', back = ''] = line.split(' - ')
  const [, , , group, folder] = front.split(' ')
  const [type, , options = ''] = back.split(' ')
  if (group === undefined || folder === undefined) return undefined
  const place = { group: unescaped(group), folder: unescaped(folder) }
  if (type === 'cgroup2') return { ...place, isUnified: true }
  return type === 'cgroup' && options.split(',').includes('cpu')
    ? { ...place, isUnified: false }
    : undefined
}

/** Decodes blanks and the like, which mountinfo gives in octal. */
function unescaped(path: string): string {
  return path.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
    String.fromCharCode(Number.parseInt(octal, 8)),
  )
}

/** This process's group (cgroups(7)), from lines of hierarchy, controllers and path. */
function groupOf(groups: string, isUnified: boolean): string {
  for (const line of groups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? []
    const isIt = isUnified ? controllers === '' : controllers?.split(',').includes('cpu')
    if (isIt && path !== undefined) return path
  }
  return '/'
}

/** The folders of the group and its ancestors, as far as they are mounted: in a container, its own ones. */
function foldersOf({ group: root, folder: top }: Mount, group: string): string[] {
  const below = relative(root, group)
  const folders = [top]
  // A group outside the mount has its limits where this process cannot see them.
  if (below.startsWith('..')) return folders
  for (let folder = join(top, below); folder !== top; folder = dirname(folder)) folders.push(folder)
  return folders
}

function quotaIn(root: string, folder: string, isUnified: boolean): number {
  const [quota, period] = isUnified
    ? (readIn(root, join(folder, 'cpu.max')) ?? '').trim().split(' ')
    : [
        readIn(root, join(folder, 'cpu.cfs_quota_us')),
        readIn(root, join(folder, 'cpu.cfs_period_us')),
      ]
  const processors = Number(quota) / Number(period)
  // "max" and -1 mean no limit, and a group without the controller has no such file.
  return processors > 0 ? processors : Number.POSITIVE_INFINITY
}

function readIn(root: string, path: string): string | undefined {
  try {
    return readFileSync(join(root, path), 'utf8')
  } catch {
    // The file is missing or unreadable, so no limit is known.
    return undefined
  }
}
