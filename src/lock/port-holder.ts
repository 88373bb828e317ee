import { readFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { descriptorsOf, hasExclusiveLock, linkOf, ownProcesses } from './descriptors.ts'

/** A helloserver service of this user or, for root, of any user. */
export interface ServiceProcess {
  readonly pid: number
  readonly name: string
  readonly runDir: string
}

/** TCP_LISTEN as in /proc/net/tcp (proc_net(5)). */
const listening = '0A'

/** The service that listens on a TCP port of this network namespace; undefined when another program does. */
export function portHolder(port: number): ServiceProcess | undefined {
  const sockets = new Set(inodesAt(port).map((inode) => `socket:[${inode}]`))
  if (sockets.size === 0) return undefined
  for (const pid of ownProcesses()) {
    if (!descriptorsOf(pid).some((fd) => sockets.has(linkOf(pid, fd) ?? ''))) continue
    const service = serviceOf(pid)
    if (service !== undefined) return service
  }
  return undefined
}

function inodesAt(port: number): string[] {
  const suffix = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return ['/proc/net/tcp', '/proc/net/tcp6'].flatMap((table) =>
    linesOf(table)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => local?.endsWith(suffix) && state === listening)
      .flatMap(([, , , , , , , , , inode]) => (inode === undefined ? [] : [inode])),
  )
}

/** Without IPv6, its table does not exist. */
function linesOf(table: string): string[] {
  try {
    return readFileSync(table, 'latin1').split('\n')
  } catch {
    return []
  }
}

/** The service that a process is the primary of, by its lock file or, for releases up to 0.1, by its log. */
function serviceOf(pid: number): ServiceProcess | undefined {
  const lockFile = descriptorsOf(pid)
    .filter((fd) => linkOf(pid, fd)?.endsWith('.lock') && hasExclusiveLock(pid, fd))
    .map((fd) => linkOf(pid, fd))
    .at(0)
  if (lockFile !== undefined) return serviceIn(pid, lockFile, '.lock')
  const log = linkOf(pid, '1')
  return log?.endsWith('.log') && isPrimary(pid) ? serviceIn(pid, log, '.log') : undefined
}

function serviceIn(pid: number, path: string, extension: string): ServiceProcess {
  return { pid, name: basename(path, extension), runDir: dirname(path) }
}

function isPrimary(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/bin/primary.js\0')
  } catch {
    // It has just ended.
    return false
  }
}
