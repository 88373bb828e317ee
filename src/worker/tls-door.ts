import type { Socket } from 'node:net'
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type Server,
  type TLSSocket,
} from 'node:tls'
import { codeOf, HelloserverError } from '../errors.ts'
import type { KeyPair, TlsMaterial } from '../tls/tls-material.ts'
import type { ClientSocket } from './client-socket.ts'
import type { ConnectionTls } from './transport.ts'

/** A socket within TLS, and what client and server have agreed on. */
export interface Secured {
  readonly socket: ClientSocket
  readonly tls: ConnectionTls
}

/** The way to TLS for the connections of one endpoint. */
export interface TlsDoor {
  /**
   * Lets the client begin TLS on a socket, whose unread input is the first of it. To give up, destroy the socket.
   *
   * @param hasSent - whether the client has sent anything before, which another socket may have counted
   * @throws HelloserverError `TLS_FAILED` when client and server do not agree, or the client leaves in between;
   * `CLIENT_GONE` when it leaves before it has sent anything. The socket is destroyed then
   */
  secure(socket: ClientSocket, hasSent: boolean): Promise<Secured>
}

/** The handshake that is in progress. */
interface Handshake {
  readonly resolve: (secured: Secured) => void
  readonly reject: (error: HelloserverError) => void
  readonly socket: ClientSocket
  readonly hasSent: boolean
}

/** Whatever the client does not finish in this time, the caller has given up before; in milliseconds. */
const neverMs = 2_147_483_647

/** TLS by Node's own server, which is given sockets instead of listening (documented at its `connection` event). */
export class NodeTlsDoor implements TlsDoor {
  readonly #server: Server
  readonly #contexts: ReadonlyMap<string, SecureContext>
  #handshake: Handshake | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(material: TlsMaterial) {
    const { pair, sni, clientCert, ticketKeys } = material
    const options = (own: KeyPair) => ({
      ...own,
      ...(material.ca !== null && { ca: material.ca }),
      minVersion: material.minVersion,
    })
    this.#contexts = new Map(
      Object.entries(sni).map(([name, own]) => [name, createSecureContext(options(own))]),
    )
    this.#server = createServer({
      ...options(pair),
      requestCert: clientCert !== 'none',
      rejectUnauthorized: clientCert === 'require',
      ticketKeys: Buffer.from(ticketKeys, 'base64'),
      // It counts silence only; the caller counts the whole handshake.
      handshakeTimeout: neverMs,
      SNICallback: (name, onContext) => onContext(null, this.#contextFor(name)),
    })
    this.#server.on('secureConnection', (secure) => this.#succeed(secure))
    this.#server.on('tlsClientError', (error, socket) => this.#fail(error, socket))
  }

  secure(socket: ClientSocket, hasSent: boolean): Promise<Secured> {
    // Node's events do not say which socket a TLS socket was made of, so the server has one handshake at a time.
    const handshake = this.#last.then(() => this.#begin(socket, hasSent))
    this.#last = handshake.catch(() => {})
    return handshake
  }

  #begin(socket: ClientSocket, hasSent: boolean): Promise<Secured> {
    return new Promise((resolve, reject) => {
      this.#handshake = { socket, hasSent, resolve, reject }
      // Node would wait for a client that has ended its side in the middle of the handshake.
      socket.allowHalfOpen = false
      // The server reports it.
      socket.on('error', () => {})
      this.#server.emit('connection', socket as Socket)
    })
  }

  /** A context for exactly this name, or for every name beside it; the default one for any other. */
  #contextFor(asked: string): SecureContext | undefined {
    const name = asked.toLowerCase()
    return this.#contexts.get(name) ?? this.#contexts.get(name.replace(/^[^.]+/, '*'))
  }

  #succeed(secure: TLSSocket): void {
    // The client may end its side and still wait for the answer, as without TLS.
    secure.allowHalfOpen = true
    this.#handshake?.resolve({ socket: secure, tls: agreedOn(secure) })
  }

  #fail(cause: Error, { authorizationError }: TLSSocket): void {
    if (this.#handshake === undefined) return
    const { socket, hasSent, reject } = this.#handshake
    reject(failure(cause, authorizationError, hasSent || socket.bytesRead > 0))
    socket.destroy()
  }
}

/** @param refusal - why the client's certificate was not accepted; null or undefined when it was not judged */
function failure(cause: Error, refusal: unknown, hasSent: boolean): HelloserverError {
  if (typeof refusal === 'string') {
    const message = `The TLS handshake failed: the client's certificate is refused: ${refusal}`
    return new HelloserverError('TLS_FAILED', message, { cause })
  }
  const isGone = codeOf(cause) === 'ECONNRESET'
  if (isGone) return clientLeft(hasSent, cause)
  return handshakeFailed(reasonOf(cause), cause)
}

export function handshakeFailed(why: string, cause?: Error): HelloserverError {
  return new HelloserverError('TLS_FAILED', `The TLS handshake failed: ${why}`, { cause })
}

/** @param hasSent - whether the client has sent anything on the connection */
export function clientLeft(hasSent: boolean, cause?: Error): HelloserverError {
  if (hasSent) return handshakeFailed('the client left', cause)
  return new HelloserverError('CLIENT_GONE', 'The client left before it began TLS', { cause })
}

/** OpenSSL's reason, which Node has beside a message with places in OpenSSL's source. */
function reasonOf(cause: Error): string {
  const { reason } = cause as { readonly reason?: unknown }
  return typeof reason === 'string' ? reason : cause.message
}

function agreedOn(socket: TLSSocket): ConnectionTls {
  const { servername } = socket as { readonly servername?: string | false }
  return {
    protocol: socket.getProtocol() ?? 'unknown',
    cipher: socket.getCipher().standardName,
    serverName: typeof servername === 'string' ? servername : undefined,
    peerCertificate: socket.getPeerX509Certificate(),
    isVerified: socket.authorized,
  }
}
