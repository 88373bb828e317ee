/** A child that is sent messages and offers: it repeats them, and answers each offer's socket with its number. */
import { channelOf } from '../../src/ipc/channel-handle.ts'
import { receiveOffers } from '../../src/ipc/offer-channel.ts'
import { shutDown, writeTo } from '../../src/ipc/stream-handle.ts'

receiveOffers(channelOf(process), (offer, handle) => {
  process.send?.(offer)
  writeTo(handle, Buffer.from(String(offer[0])), () => shutDown(handle, () => handle.close()))
})
process.on('message', (message) => process.send?.(message))
process.send?.('ready')
