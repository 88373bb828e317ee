import type { X509Certificate } from 'node:crypto'
import { isUint8Array } from 'node:util/types'
import type { Local, Remote } from '../ipc/socket-handle.ts'
import { shown } from './shown.ts'
import type { TlsDoor } from './tls-door.ts'

/** Bytes to send, or text that is sent as UTF-8. */
export type Chunk = string | Uint8Array

/** TLS on a connection, as client and server have agreed on it. */
export interface ConnectionTls {
  /** Such as "TLSv1.3". */
  readonly protocol: string
  /** By its standard name (IANA), such as "TLS_AES_256_GCM_SHA384". */
  readonly cipher: string
  /** The server name that the client has asked for. */
  readonly serverName: string | undefined
  /** The client's certificate; undefined when it was not asked for one, or has none. */
  readonly peerCertificate: X509Certificate | undefined
  /** Whether that certificate is valid and signed by one of the endpoint's authorities. */
  readonly isVerified: boolean
}

/** The connection, as its transport sees it. */
export interface Receiver {
  /** Bytes have arrived; the chunk is the receiver's from now on. */
  readonly receive: (chunk: Buffer) => void
  /** The client has ended its side. */
  readonly endInput: () => void
  /** The connection is lost, for this reason. */
  readonly lose: (cause: Error) => void
}

/**
 * The way by which a connection's bytes come and go. It knows nothing of lines, limits or handlers, and a connection
 * knows nothing of sockets.
 */
export interface Transport {
  /** Undefined once the system has forgotten it (getpeername(2), ENOTCONN). */
  readonly remote: Remote | undefined
  readonly local: Local | undefined
  /** How many bytes have been received and sent, without those of TLS itself. */
  readonly bytesRead: number
  readonly bytesWritten: number
  /** Undefined without TLS. */
  readonly tls: ConnectionTls | undefined
  /** Begins to receive, until `pause`. */
  open(receiver: Receiver): void
  pause(): void
  /** Receives again; does nothing unless paused. */
  resume(): void
  /**
   * Sends chunks in one go, after what was sent before.
   *
   * @param onSent - called when the system has taken all of them, or with the reason why it never will
   */
  write(chunks: readonly Chunk[], onSent: (error?: Error | null) => void): void
  /** Ends this side once everything is sent, and then calls back; the client may still send. */
  end(onEnded: (error?: Error | null) => void): void
  /** As `net.Socket.setNoDelay` and `setKeepAlive`, for libraries that want them. */
  setNoDelay(isOn: boolean): void
  setKeepAlive(isOn: boolean, afterMs: number): void
  /** The transport to begin TLS with, once everything is sent; it takes the place of this one, unless it is the same. */
  forTls(): SecurableTransport
  /** Closes at once, whatever is on its way. */
  destroy(): void
  /** The handler has ended well: ends this side; the closing handshake goes on in the background. */
  conclude(): void
}

/** A transport over a socket of Node's, which TLS takes. */
export interface SecurableTransport extends Transport {
  /**
   * Begins TLS, and resolves with the transport that takes the place of this one. To give up, destroy this one.
   *
   * @param unused - bytes that were received and belong to TLS
   * @throws HelloserverError as `TlsDoor.secure` does
   */
  secure(door: TlsDoor, unused: Buffer): Promise<Transport>
}

/** @throws TypeError when something in it is neither text nor bytes */
export function chunksOf(data: Chunk | readonly Chunk[]): readonly Chunk[] {
  const chunks = Array.isArray(data) ? (data as readonly Chunk[]) : [data as Chunk]
  for (const chunk of chunks) {
    if (typeof chunk === 'string' || isUint8Array(chunk)) continue
    throw new TypeError(
      `Cannot write ${shown(chunk)}; only text, a Uint8Array, or a list of these can be written`,
    )
  }
  return chunks
}
