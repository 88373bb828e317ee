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
  /** An offer that has arrived in part. */
  let begun: { readonly handle: StreamHandle; text: string } | undefined
  const receive = (bytes: ArrayBuffer) => {
    const { pendingHandle } = channel
    if (begun === undefined && pendingHandle === null) {
      passOn(channel, toNode, bytes)
      return
    }
    const all = Buffer.from(bytes)
    if (begun !== undefined) {
      const end = all.indexOf(newline)
      begun.text += all.toString('latin1', 0, end < 0 ? all.length : end)
      if (end < 0) return
      deliver(begun.text, begun.handle)
      begun = undefined
      if (end + 1 < all.length) receive(bytes.slice(end + 1))
      return
    }
    const start = all.lastIndexOf(newline, all.length - 2) + 1
    if (pendingHandle === null || all[start] !== bracket) {
      passOn(channel, toNode, bytes)
      return
    }
    channel.pendingHandle = null
    if (start > 0) passOn(channel, toNode, bytes.slice(0, start))
    const text = all.toString('latin1', start)
    if (all.at(-1) === newline) deliver(text, pendingHandle)
    else begun = { handle: pendingHandle, text }
  }
  // Node emits each of its messages in a later tick.
  const deliver = (text: string, handle: StreamHandle) =>
    process.nextTick(onOffer, JSON.parse(text), handle)
  channel.onread = (bytes) => {
    if (bytes === undefined) toNode.call(channel)
    else receive(bytes)
  }
}
