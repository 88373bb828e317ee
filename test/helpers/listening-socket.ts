import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The inodes of the sockets that listen on a port of IPv4, in hexadecimal digits of proc(5). */
export function listening(port: number): string[] {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => local.endsWith(end) && state === '0A')
    .flatMap(([, , , , , , , , , inode = '']) => inode)
}

/** Whether a worker has the listening socket: then it has been told to accept by itself, and keeps it until it ends. */
export function hasListener(pid: number, port: number): boolean {
  const links = listening(port).map((inode) => `socket:[${inode}]`)
  try {
    const fds = readdirSync(`/proc/${pid}/fd`)
    return fds.some((fd) => links.includes(readlinkSync(`/proc/${pid}/fd/${fd}`)))
  } catch {
    // It has ended, or a descriptor was closed meanwhile.
    return false
  }
}
