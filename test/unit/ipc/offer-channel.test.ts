import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChannelHandle } from '../../../src/ipc/channel-handle.ts'
import { receiveOffers, sendOffer } from '../../../src/ipc/offer-channel.ts'
import type { StreamHandle } from '../../../src/ipc/stream-handle.ts'

/** A channel's end without a system behind it, and what comes of what is read from it. */
function channel() {
  const seen: string[] = []
  const names = new Map<unknown, string>()
  const end = {
    pendingHandle: null as StreamHandle | null,
    onread(bytes?: ArrayBuffer) {
      const text = bytes === undefined ? 'end' : Buffer.from(bytes).toString()
      const handle = end.pendingHandle === null ? '' : ` with ${names.get(end.pendingHandle)}`
      end.pendingHandle = null
      seen.push(`Node: ${text}${handle}`)
    },
  }
  receiveOffers(end as unknown as ChannelHandle, (offer, handle) =>
    seen.push(`offer: ${JSON.stringify(offer)} with ${names.get(handle)}`),
  )
  /** One read, as the system delivers it, with the descriptor that came with it. */
  const read = async (text: string | undefined, name?: string) => {
    if (name !== undefined) {
      end.pendingHandle = {} as StreamHandle
      names.set(end.pendingHandle, name)
    }
    const bytes = text === undefined ? undefined : new Uint8Array(Buffer.from(text)).buffer
    end.onread(bytes)
    await new Promise<void>((resolve) => process.nextTick(resolve))
    return seen.splice(0)
  }
  return { read, end }
}

test('an offer that cannot be sent is told of, at once or later', () => {
  const told: number[] = []
  const lines: string[] = []
  const requests: { oncomplete(status: number): void }[] = []
  let result = -9
  const end = {
    writeLatin1String(request: (typeof requests)[number], line: string) {
      lines.push(line)
      requests.push(request)
      return result
    },
  } as unknown as ChannelHandle
  sendOffer(end, [7, 1], {} as StreamHandle, (errno) => told.push(errno))
  assert.deepEqual(told, [-9])
  result = 0
  sendOffer(end, [8, 1, 'UFJPWFk='], {} as StreamHandle, (errno) => told.push(errno))
  assert.deepEqual(told, [-9])
  requests[1]?.oncomplete(-109)
  assert.deepEqual(told, [-9, -109])
  assert.deepEqual(lines, ['[7,1]\n', '[8,1,"UFJPWFk="]\n'])
})

test('an offer is received with its socket, and Node reads nothing of it', async () => {
  const { read, end } = channel()
  assert.deepEqual(await read('[7,1,"UFJPWFk="]\n', 'a'), ['offer: [7,1,"UFJPWFk="] with a'])
  assert.equal(end.pendingHandle, null)
})

test("messages of Node's go on to Node, with their sockets, and so does the end", async () => {
  const { read } = channel()
  assert.deepEqual(await read('{"kind":"retire"}\n'), ['Node: {"kind":"retire"}\n'])
  const sent = '{"cmd":"NODE_HANDLE"}\n'
  assert.deepEqual(await read(sent, 'a'), [`Node: ${sent} with a`])
  assert.deepEqual(await read(undefined), ['Node: end'])
})

test('an offer whose socket was lost is a message', async () => {
  const { read } = channel()
  assert.deepEqual(await read('[7,1]\n'), ['Node: [7,1]\n'])
})

test('what was sent before an offer goes on to Node, without the socket, and in front of it', async () => {
  const { read } = channel()
  assert.deepEqual(await read('{"a":1}\n{"b":2}\n[7,1]\n', 'a'), [
    'Node: {"a":1}\n{"b":2}\n',
    'offer: [7,1] with a',
  ])
  // The end of a message, of which the beginning was read before.
  assert.deepEqual(await read('":3}\n[8,1]\n', 'b'), ['Node: ":3}\n', 'offer: [8,1] with b'])
})

test('an offer in pieces is put together, whatever follows its last one', async () => {
  const { read } = channel()
  assert.deepEqual(await read('{"a":1}\n[7', 'a'), ['Node: {"a":1}\n'])
  assert.deepEqual(await read(',1,"UFJP'), [])
  assert.deepEqual(await read('WFk="]\n{"b":2}\n'), [
    'Node: {"b":2}\n',
    'offer: [7,1,"UFJPWFk="] with a',
  ])
  assert.deepEqual(await read('[8,', 'b'), [])
  assert.deepEqual(await read('1]\n[9,1]\n', 'c'), ['offer: [8,1] with b', 'offer: [9,1] with c'])
})
