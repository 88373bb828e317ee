import type { ChannelHandle } from './channel-handle.ts'
import type { SocketHandle } from './socket-handle.ts'
import { passOn, type StreamHandle, sendTo } from './stream-handle.ts'
import type { Offer } from './worker-messages.ts'

/**
 * Offers go by Node's channel, but not as Node's messages: for a message with a socket, Node waits for its receiver's
 * acknowledgement before it sends the next one, which is a message and a wake-up more on either side. An offer needs
 * none, since the claim says that it has arrived.
 *
 * An offer is a line, as all messages are, and begins with a bracket, which none of Node's own does. The system never
 * joins what is sent after a descriptor to what was sent with it (unix(7)), so the offer is the last line of what is
 * read with its socket.
 */
const bracket = 0x5b
const newline = 0x0a

/**
 * Sends an offer with a copy of its socket.
 *
 * @param onSent - called later, or before this returns; not 0 when it cannot be sent: -errno
 */
export function sendOffer(
  channel: ChannelHandle,
  offer: Offer,
  handle: SocketHandle,
  onSent: (errno: number) => void,
): void {
  sendTo(channel, `${JSON.stringify(offer)}\n`, handle, onSent)
}

/**
 * Receives the offers from a channel, in their order among Node's messages, which go on to Node. One whose socket has
 * been lost on the way, for want of a descriptor, is one of these messages.
 */
export function receiveOffers(
  channel: ChannelHandle,
  onOffer: (offer: Offer, handle: StreamHandle) => void,
): void {
  const toNode = channel.onread
  const reader = new OfferReader(
    channel,
    (bytes) => passOn(channel, toNode, bytes),
    // Node emits each of its messages in a later tick.
    (text, handle) => process.nextTick(onOffer, JSON.parse(text), handle),
  )
  channel.onread = (bytes) => {
    if (bytes === undefined) toNode.call(channel)
    else reader.read(bytes)
  }
}

/** Divides what is read from a channel into offers and the rest. */
class OfferReader {
  readonly #channel: ChannelHandle
  readonly #onRest: (bytes: ArrayBuffer) => void
  readonly #onOffer: (text: string, handle: StreamHandle) => void
  /** An offer of which only a part has been read. */
  #begun: { readonly handle: StreamHandle; text: string } | undefined

  constructor(
    channel: ChannelHandle,
    onRest: (bytes: ArrayBuffer) => void,
    onOffer: (text: string, handle: StreamHandle) => void,
  ) {
    this.#channel = channel
    this.#onRest = onRest
    this.#onOffer = onOffer
  }

  read(bytes: ArrayBuffer): void {
    const { pendingHandle } = this.#channel
    if (this.#begun !== undefined) this.#continue(this.#begun, bytes)
    else if (pendingHandle === null) this.#onRest(bytes)
    else this.#readWith(pendingHandle, bytes)
  }

  /** Reads bytes that a socket has come with: it belongs to the last line, which may not be whole. */
  #readWith(handle: StreamHandle, bytes: ArrayBuffer): void {
    const all = Buffer.from(bytes)
    // If the last byte is a newline, that is the last line's own.
    const start = all.lastIndexOf(newline, all.length - 2) + 1
    if (all[start] !== bracket) {
      this.#onRest(bytes)
      return
    }
    this.#channel.pendingHandle = null
    if (start > 0) this.#onRest(bytes.slice(0, start))
    const text = all.toString('latin1', start)
    if (all.at(-1) === newline) this.#onOffer(text, handle)
    else this.#begun = { handle, text }
  }

  #continue(begun: { readonly handle: StreamHandle; text: string }, bytes: ArrayBuffer): void {
    const all = Buffer.from(bytes)
    const end = all.indexOf(newline)
    begun.text += all.toString('latin1', 0, end < 0 ? all.length : end)
    if (end < 0) return
    this.#begun = undefined
    this.#onOffer(begun.text, begun.handle)
    if (end + 1 < all.length) this.read(bytes.slice(end + 1))
  }
}
