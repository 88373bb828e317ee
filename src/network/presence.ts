import { createSocket } from 'node:dgram'
import { statSync } from 'node:fs'
import { isIPv6 } from 'node:net'
import { dirname } from 'node:path'
import { hasFile, type UnixEndpoint } from '../endpoint.ts'

/**
 * Resolves when this host has an address, by binding a datagram socket to it: the system applies the same check
 * to both kinds of socket, and no client can connect to this one.
 *
 * @throws Error the system's error
 */
export async function assertPresent(address: string): Promise<void> {
  const socket = createSocket(isIPv6(address) ? 'udp6' : 'udp4')
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ address, port: 0, exclusive: true }, resolve)
    })
  } finally {
    socket.close()
  }
}

/** Throws errors of stat(2) when there is no folder for the file of a Unix socket. */
export function assertFolder(endpoint: UnixEndpoint): void {
  if (hasFile(endpoint)) statSync(dirname(endpoint.path))
}
