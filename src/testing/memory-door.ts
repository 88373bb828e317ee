import { clientLeft, handshakeFailed, type Secured, type TlsDoor } from '../worker/tls-door.ts'
import type { ConnectionTls } from '../worker/transport.ts'
import type { MemorySocket } from './memory-socket.ts'
import { inNextTurn } from './turn.ts'

/**
 * What a client of the kit sends to begin TLS. It begins as a real ClientHello does (RFC 8446, section 5.1), so that a
 * handler can look at it.
 */
export const clientHello = Buffer.from('160301000568656c6c6f', 'hex')

/**
 * TLS without cryptography: the client names what client and server agree on. As with real TLS, anything else that
 * arrives in place of its hello fails the handshake.
 */
export class MemoryDoor implements TlsDoor {
  readonly #socket: MemorySocket
  readonly #agreed: () => ConnectionTls

  constructor(socket: MemorySocket, agreed: () => ConnectionTls) {
    this.#socket = socket
    this.#agreed = agreed
  }

  async secure(): Promise<Secured> {
    const socket = this.#socket
    const rest = await this.#afterHello()
    if (rest.length > 0) socket.unshift(rest)
    socket.secured(rest.length)
    // By then, the connection listens again.
    inNextTurn(() => socket.resume())
    return { socket, tls: this.#agreed() }
  }

  /** The bytes that have come with the client's hello, behind it. */
  #afterHello(): Promise<Buffer> {
    const socket = this.#socket
    return new Promise<Buffer>((resolve, reject) => {
      let arrived = Buffer.alloc(0)
      const onData = (chunk: Buffer) => {
        arrived = Buffer.concat([arrived, chunk])
        const compared = Math.min(arrived.length, clientHello.length)
        if (clientHello.compare(arrived, 0, compared, 0, compared) !== 0) {
          fail(handshakeFailed('wrong version number'))
        } else if (compared === clientHello.length) {
          stop()
          resolve(arrived.subarray(compared))
        }
      }
      const onLeft = (cause?: Error) => fail(clientLeft(socket.bytesRead > 0, cause))
      const onEnd = () => onLeft()
      const stop = () => {
        socket.off('data', onData).off('end', onEnd).off('close', onEnd).pause()
      }
      const fail = (error: Error) => {
        stop()
        socket.destroy()
        reject(error)
      }
      // A reset is an error of the socket; `close` follows.
      socket.on('error', onLeft).on('data', onData).on('end', onEnd).on('close', onEnd).resume()
    })
  }
}
