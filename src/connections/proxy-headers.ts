import { ReadAhead, type Reader } from '../ipc/read-ahead.ts'
import {
  type HeaderFault,
  type ProxyHeader,
  parseProxyHeader,
} from '../proxy-protocol/proxy-header.ts'
import { NativeSocket } from './native-socket.ts'
import type { PendingConnection } from './pending-connection.ts'

/** Why a connection was refused because of its header. */
export type HeaderRefusal = `proxy-${HeaderFault | 'timeout' | 'untrusted'}`

/** The dispatcher, as the headers' reader sees it. Each connection is reported once. */
export interface HeaderListener {
  /** The header is there; the connection's preface begins with it. */
  onHeader(connection: PendingConnection, header: ProxyHeader): void
  onRefused(connection: PendingConnection, reason: HeaderRefusal): void
  /** The client has left without a word. */
  onLeft(connection: PendingConnection): void
}

/** The settings that concern headers. */
export interface HeaderSettings {
  readonly connection: { readonly handshakeTimeoutMs: number }
}

/** A connection whose header has not arrived. */
interface Awaited {
  readonly reader: Reader
  readonly deadline: NodeJS.Timeout
}

/**
 * The connections whose PROXY headers have not arrived. They are read by the primary, since the queue, the limits and
 * the log must know the client, not the proxy. What was read is kept with the connection, and goes along to its worker.
 */
export class ProxyHeaders {
  readonly #listener: HeaderListener
  /** In the order in which they were accepted. */
  readonly #awaited = new Map<PendingConnection, Awaited>()
  #timeoutMs = 0

  constructor(listener: HeaderListener) {
    this.#listener = listener
  }

  /** Applies `connection.handshakeTimeoutMs`, to connections that are accepted from now on. */
  apply({ connection }: HeaderSettings): void {
    this.#timeoutMs = connection.handshakeTimeoutMs
  }

  /** How many connections are waited for. */
  get length(): number {
    return this.#awaited.size
  }

  /** Waits for the rest of a connection's header; the preface has what was read before. */
  await(connection: PendingConnection): void {
    const { handle, acceptedAtMs } = connection
    const leftMs = acceptedAtMs + this.#timeoutMs - performance.now()
    const listener = {
      onBytes: (bytes: Buffer) => this.#read(connection, bytes),
      onEnd: () => this.#end(connection),
    }
    const awaited = {
      reader:
        handle instanceof NativeSocket
          ? handle.readAhead(listener)
          : new ReadAhead(handle, listener),
      deadline: setTimeout(
        () => {
          this.#forget(connection)
          this.#listener.onRefused(connection, 'proxy-timeout')
        },
        Math.max(1, leftMs),
      ),
    }
    this.#awaited.set(connection, awaited)
  }

  /** Removes the first connection, or the last, with what was read of its header; undefined when there is none. */
  remove(which: 'first' | 'last'): PendingConnection | undefined {
    const [first] = this.#awaited.keys()
    const connection = which === 'first' ? first : [...this.#awaited.keys()].at(-1)
    if (connection !== undefined) this.#forget(connection)
    return connection
  }

  #read(connection: PendingConnection, bytes: Buffer): void {
    const { preface } = connection
    connection.preface = preface === undefined ? bytes : Buffer.concat([preface, bytes])
    const parsed = parseProxyHeader(connection.preface)
    if (parsed.kind === 'incomplete') return
    this.#forget(connection)
    if (parsed.kind === 'header') this.#listener.onHeader(connection, parsed.header)
    else this.#listener.onRefused(connection, `proxy-${parsed.kind}`)
  }

  #end(connection: PendingConnection): void {
    this.#forget(connection)
    const { length = 0 } = connection.preface ?? {}
    if (length === 0) this.#listener.onLeft(connection)
    else this.#listener.onRefused(connection, 'proxy-malformed')
  }

  #forget(connection: PendingConnection): void {
    const awaited = this.#awaited.get(connection)
    this.#awaited.delete(connection)
    awaited?.reader.stop()
    clearTimeout(awaited?.deadline)
  }
}
