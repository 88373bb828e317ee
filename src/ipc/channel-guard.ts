import type { ChildProcess } from 'node:child_process'
import { messageOf } from '../errors.ts'
import { TokenBucket } from '../token-bucket.ts'
import { type ChannelHandle, channelOf } from './channel-handle.ts'
import { sendOffer } from './offer-channel.ts'
import type { SocketHandle } from './socket-handle.ts'
import type { Offer, Unsent } from './worker-messages.ts'

type Channelled = ChildProcess & {
  /** Messages that wait for the acknowledgement of a socket; null when none is awaited. */
  _handleQueue: unknown[] | null
}

type Emit = (name: string | symbol, ...args: unknown[]) => boolean

export interface GuardListener {
  /** The worker sent something that no worker sends; its further messages are ignored. */
  onFault(reason: string): void
  /** An offer could not be sent. */
  onUnsent(unsent: Unsent): void
  /** The worker's end of the channel is closed. */
  onClosed(): void
}

/** How much a worker may send unasked, at once and per second, in bytes. */
const unasked = { burst: 131_072, perSecond: 65_536 }
/** The length of the longest message, in bytes. */
const maxMessageBytes = 131_072
const newline = 10

/**
 * Stands between Node's channel and a worker, whose app can write anything into its end: by `process.send`,
 * which lets it imitate Node's own messages, or directly into the descriptor. Node trusts its input: a line
 * that is not JSON, or an acknowledgement of nothing, is an uncaught exception in the process that reads it.
 */
export class ChannelGuard {
  readonly #child: Channelled
  readonly #handle: ChannelHandle
  readonly #listener: GuardListener
  readonly #allowance = new TokenBucket(unasked.burst, unasked.perSecond)
  readonly #read: ChannelHandle['onread']
  readonly #emit: Emit
  #unfinishedBytes = 0
  #isDeaf = false

  /**
   * @param child - a process that was just started, and from which nothing has been read
   * @throws HelloserverError `BOOT_FAILED` where Node has changed
   */
  constructor(child: ChildProcess, listener: GuardListener) {
    this.#child = child as Channelled
    this.#handle = channelOf(child)
    this.#listener = listener
    this.#read = this.#handle.onread
    this.#emit = child.emit.bind(child) as Emit
    this.#handle.onread = (bytes) => this.#receive(bytes)
    child.emit = (name: string | symbol, ...args: unknown[]) => this.#pass(name, args)
  }

  /** Sends an offer with a copy of its socket. */
  offer(offer: Offer, handle: SocketHandle): void {
    sendOffer(this.#handle, offer, handle, (errno) => {
      if (errno !== 0) this.#listener.onUnsent({ id: offer[0], errno })
    })
  }

  /** The process is gone: any other process that holds its end is ignored. */
  close(): void {
    this.#isDeaf = true
    if (!this.#child.connected) return
    // Either one would make Node wait for more input.
    this.#handle.buffering = false
    // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
    this.#child._handleQueue = null
    this.#child.disconnect()
  }

  #receive(bytes: ArrayBuffer | undefined): void {
    const { pendingHandle } = this.#handle
    if (pendingHandle !== null) {
      this.#handle.pendingHandle = null
      pendingHandle.close()
      this.#fault('it sent a socket to the primary')
    }
    if (bytes === undefined) {
      this.#guarded(() => this.#read.call(this.#handle))
      this.#listener.onClosed()
      return
    }
    if (this.#isDeaf || !this.#isWithinBounds(bytes.byteLength)) return
    this.#guarded(() => this.#read.call(this.#handle, bytes))
    this.#unfinishedBytes = this.#handle.buffering ? this.#unfinishedBytes + tailOf(bytes) : 0
  }

  #isWithinBounds(count: number): boolean {
    if (this.#unfinishedBytes + count > maxMessageBytes) {
      this.#fault(`it sent a message of more than ${maxMessageBytes} bytes`)
    } else if (!this.#allowance.take(count)) {
      this.#fault(`it sent more than ${unasked.perSecond} bytes of messages a second`)
    }
    return !this.#isDeaf
  }

  /** Node emits each message in a later tick, after everything that it has read. */
  #pass(name: string | symbol, args: unknown[]): boolean {
    const isInternal = name === 'internalMessage'
    if (this.#isDeaf && (isInternal || name === 'message')) return false
    const emit = () => this.#emit(name, ...args)
    if (!isInternal) return emit()
    const message = args[0] as InternalMessage
    const fault = faultOf(message, this.#child)
    if (fault !== undefined) {
      this.#fault(fault)
      return false
    }
    this.#guarded(emit)
    return true
  }

  #guarded(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#fault(`it wrote invalid data into its channel: ${messageOf(error)}`)
    }
  }

  #fault(reason: string): void {
    if (this.#isDeaf) return
    this.#isDeaf = true
    this.#listener.onFault(reason)
  }
}

/** A message that Node reserves for itself: its `cmd` begins with `NODE_`. */
interface InternalMessage {
  readonly cmd: string
  readonly act?: unknown
  readonly fd?: unknown
  readonly ack?: unknown
}

/** The messages that node:cluster sends for an app's own `server.listen()`. */
const clusterActs: ReadonlySet<unknown> = new Set([
  'online',
  'queryServer',
  'listening',
  'close',
  'exitedAfterDisconnect',
])

/** The reason why no worker sends this message of Node's; undefined when one may. */
function faultOf(message: InternalMessage, child: Channelled): string | undefined {
  switch (message.cmd) {
    case 'NODE_HANDLE_ACK':
    case 'NODE_HANDLE_NACK':
      // oxlint-disable-next-line no-underscore-dangle -- Node's own name for it
      return Array.isArray(child._handleQueue)
        ? undefined
        : 'it acknowledged a socket that it was not sent'
    case 'NODE_HANDLE':
      return 'it sent a socket to the primary'
    case 'NODE_CLUSTER':
      // The descriptor would be one of the primary's own; -1 stands for none.
      if ((message.fd ?? -1) !== -1) return 'it asked for a descriptor of the primary'
      return clusterActs.has(message.act) || typeof message.ack === 'number'
        ? undefined
        : 'it sent a message of node:cluster that no worker sends'
    default:
      return `it sent the message ${message.cmd.slice(0, 40)} of Node.js`
  }
}

/** How many bytes of a chunk belong to a message that has not ended. */
function tailOf(bytes: ArrayBuffer): number {
  return bytes.byteLength - 1 - new Uint8Array(bytes).lastIndexOf(newline)
}
