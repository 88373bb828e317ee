import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, get, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import { LiveFeed } from '../../../src/admin/live-feed.ts'
import type { AdminTarget } from '../../../src/admin/service-interface.ts'
import type { Status } from '../../../src/status.ts'
import { waitFor } from '../../helpers/wait-for.ts'

const rates = { perSecond: 3, waitMs: null, handlingMs: null }
const small = { name: 'small', rates, queue: { length: 0 }, events: [] } as unknown as Status

/** A live view of a service that says `status` of itself. */
async function served(t: TestContext, status: () => Status) {
  let happen: () => void = () => {}
  const target = {
    status,
    fleetView: () => undefined,
    subscribe(listener: () => void) {
      happen = listener
      return () => {
        happen = () => {}
      }
    },
  } as Partial<AdminTarget> as AdminTarget
  const live = new LiveFeed(target)
  let hungUp = 0
  const server = createServer((_, response) => {
    response.on('close', () => {
      hungUp += 1
    })
    if (live.hasRoom) live.attach(response, false)
    else response.writeHead(503).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  live.start()
  t.after(() => {
    live.stop()
    server.close()
    server.closeAllConnections()
  })
  const { port } = server.address() as AddressInfo
  const look = async () => {
    const [response] = (await once(get({ port, host: '127.0.0.1', agent: false }), 'response')) as [
      IncomingMessage,
    ]
    response.on('error', () => {})
    return response
  }
  return { look, happen: () => happen(), hungUp: () => hungUp }
}

/** Reads what arrives; the text so far. */
function read(response: IncomingMessage): () => string {
  let text = ''
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}

const statuses = (text: string) => text.split('event: status\n').length - 1

describe('the live view', { concurrency: true }, () => {
  test('a viewer gets the status once a second, and when something happens', async (t) => {
    const { look, happen } = await served(t, () => small)
    const text = read(await look())
    await waitFor('the first words', () => statuses(text()) >= 1)
    assert.match(text(), /^event: hello\ndata: \{"canAct":false,"history":\[/)
    const before = statuses(text())
    for (let times = 0; times < 20; times += 1) happen()
    await waitFor('what happened', () => statuses(text()) > before)
    await waitFor('the next looks', () => statuses(text()) > before + 2)
    assert.match(text(), /"perSecond":3/)
  })

  test('so many may look on, and who leaves makes room', async (t) => {
    const { look } = await served(t, () => small)
    const seen = await Promise.all(Array.from({ length: 16 }, look))
    assert.deepEqual(new Set(seen.map(({ statusCode }) => statusCode)), new Set([200]))
    assert.equal((await look()).statusCode, 503)
    seen[0]?.destroy()
    await waitFor('room', async () => (await look()).statusCode === 200)
  })

  test('a viewer that does not read is disconnected, and nobody else', async (t) => {
    const large = { ...small, name: 'x'.repeat(200_000) }
    const { look, happen, hungUp } = await served(t, () => large)
    const slow = await look()
    const quick = await look()
    let received = 0
    quick.on('data', (chunk: Buffer) => {
      received += chunk.length
    })
    slow.pause()
    await waitFor('the end of one', () => {
      happen()
      return hungUp() === 1
    })
    const before = received
    await waitFor('news for the other', () => received > before + 200_000)
    assert.equal(hungUp(), 1)
  })
})
