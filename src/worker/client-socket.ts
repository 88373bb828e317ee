import type { Duplex } from 'node:stream'

/**
 * The part of a `net.Socket` that serving a connection needs. Tests of apps have one in memory (`src/testing`), whose
 * streams are Node's own.
 */
export interface ClientSocket extends Duplex {
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Undefined once the client has reset the connection. */
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
  readonly localAddress?: string | undefined
  readonly localPort?: number | undefined
  setNoDelay(noDelay: boolean): unknown
  setKeepAlive(isOn: boolean, afterMs: number): unknown
}
