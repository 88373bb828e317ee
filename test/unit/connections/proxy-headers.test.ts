import assert from 'node:assert/strict'
import { constants } from 'node:os'
import type { TestContext } from 'node:test'
import type { ProxySettings } from '../../../src/config/listen.ts'
import type { NumberedEndpoint } from '../../../src/connections/endpoint-table.ts'
import type { SocketHandle } from '../../../src/ipc/socket-handle.ts'
import type { FailReason } from '../../../src/lifecycle/fail-reasons.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { type HandlePair, handlePair, LooseHandle } from '../support/handles.ts'
import { nativeSocketOf } from '../support/native-consumer.ts'
import { overEach, wayOf } from '../support/over-each.ts'
import { anywhere } from '../support/pending.ts'
import { addresses4, binaryHeader, families } from '../support/proxy-headers.ts'
import { BareWorker, settingsOf, staged } from '../support/stage.ts'

const behindProxy = (proxyProtocol: ProxySettings = true): NumberedEndpoint => ({
  number: 1,
  settings: { ...anywhere.settings, proxyProtocol },
})

const line = 'PROXY TCP4 192.0.2.1 192.0.2.2 5555 443\r\n'

/** A dispatcher, and connections to an endpoint behind a proxy. */
async function proxied(t: TestContext, limits: [max?: number, maxPerClient?: number] = []) {
  const made = staged(t, ...limits)
  const { dispatcher, accounts } = made
  // The deadline of a header that is still awaited would keep the test's process for a minute.
  t.after(() => {
    while (dispatcher.withdraw() !== undefined);
  })
  const accept = async (
    endpoint = behindProxy(),
    prepare: (handle: SocketHandle) => void = () => {},
  ): Promise<HandlePair> => {
    const { handle: own, client } = await handlePair(t)
    const handle = wayOf(t) === 'native' ? nativeSocketOf(own) : own
    t.after(() => handle.close())
    prepare(handle)
    dispatcher.accept(handle, endpoint)
    const { accepted, queued, active, served, failed, shed, gone, expired } = accounts.counts
    assert.equal(accepted, queued + active + served + failed + shed + gone + expired)
    return { handle, client }
  }
  const failures = () =>
    Object.entries(made.stats.totals.failures ?? {}).filter(([, count]) => count > 0)
  return { ...made, accept, failures }
}

/** The primary reads by either of these. */
const overBoth: typeof overEach = (name, run) => overEach(name, run, ['handle', 'native'])

overBoth(
  'a connection waits in the queue when its header is there, with all bytes that were read',
  async (t) => {
    const { accept, queue, accounts } = await proxied(t)
    const { client } = await accept()
    assert.equal(accounts.counts.queued, 1)
    client.write(line.slice(0, 20))
    client.write(`${line.slice(20)}hello\r\n`)
    const head = await waitFor('the header', () => [...queue][0])
    assert.equal(head.preface?.toString(), `${line}hello\r\n`)
    assert.deepEqual(head.client, { address: '192.0.2.1', port: 5555 })
    assert.equal(accounts.counts.queued, 1)
  },
)

overBoth('reading ends soon after the header: the rest belongs to the worker', async (t) => {
  const { accept, queue } = await proxied(t)
  const { client } = await accept()
  client.write(Buffer.concat([Buffer.from(line), Buffer.alloc(500_000)]))
  const first = await waitFor('the header', () => [...queue][0])
  assert.ok((first.preface?.length ?? 0) <= 2_048, `${first.preface?.length} bytes were read`)
})

overBoth('an idle worker gets it at once', async (t) => {
  const { accept, handOff } = await proxied(t)
  const worker = new BareWorker(1)
  handOff.addIdle(worker)
  const { client } = await accept()
  assert.equal(worker.inHand, undefined)
  client.write(line)
  const connection = await waitFor('the offer', () => worker.inHand)
  assert.equal(connection.preface?.toString(), line)
})

overBoth('connections are queued in the order in which they came, not their headers', async (t) => {
  const { accept, queue } = await proxied(t)
  const [first, second] = [await accept(), await accept()]
  second.client.write(line)
  await waitFor('the second', () => queue.length === 1)
  first.client.write(line)
  await waitFor('the first', () => queue.length === 2)
  assert.deepEqual(
    [...queue].map(({ id }) => id),
    [1, 2],
  )
})

overBoth(
  'headers that are wrong, missing, cut off or late are refused, each with its reason',
  async (t) => {
    const { accept, failures, dispatcher, accounts, closed } = await proxied(t)
    const refused = async (reason: FailReason, act: (pair: HandlePair) => void) => {
      const before = closed()
      act(await accept())
      await waitFor(`a refusal: ${reason}`, () => closed() > before)
      assert.ok(
        failures().some(([one, count]) => one === reason && count === 1),
        reason,
      )
    }
    await refused('proxy-missing', ({ client }) => client.write('hello\r\n'))
    await refused('proxy-malformed', ({ client }) => client.write('PROXY TCP4 x\r\n'))
    dispatcher.apply({ ...settingsOf(100, 0), connection: { handshakeTimeoutMs: 1 } })
    await refused('proxy-timeout', ({ client }) => client.write('PROXY '))
    dispatcher.apply(settingsOf(100, 0))
    const { client } = await accept()
    client.end('PROXY ')
    await waitFor('the end', () => accounts.counts.failed === 4)
    assert.deepEqual(failures(), [
      ['proxy-missing', 1],
      ['proxy-malformed', 2],
      ['proxy-timeout', 1],
    ])
  },
)

overBoth(
  'a client that leaves without a byte is gone, even if it has left before it was accepted',
  async (t) => {
    const { accept, accounts, dispatcher } = await proxied(t)
    const early = new LooseHandle()
    early.isReset = true
    dispatcher.accept(early, behindProxy())
    const [one, other] = [await accept(), await accept()]
    one.client.end()
    other.client.resetAndDestroy()
    await waitFor('their end', () => accounts.counts.gone === 3)
    assert.equal(accounts.counts.queued, 0)
  },
)

/** Its client resets it as soon as its address was asked for. */
function resetOnceAsked(handle: SocketHandle): void {
  const ask = handle.getpeername?.bind(handle)
  let isAsked = false
  handle.getpeername = (into) => {
    if (isAsked) return -constants.errno.ENOTCONN
    isAsked = true
    return ask?.(into) ?? 0
  }
}

overBoth(
  'a check by the proxy that ends while it is looked at is gone, and no stranger',
  async (t) => {
    const { accept, failures, accounts } = await proxied(t)
    const { client } = await accept(behindProxy(), resetOnceAsked)
    client.resetAndDestroy()
    await waitFor('its end', () => accounts.counts.gone === 1)
    assert.deepEqual(failures(), [])
  },
)

overBoth('only trusted addresses are believed', async (t) => {
  const { accept, failures, accounts } = await proxied(t)
  await accept(behindProxy({ trusted: ['192.0.2.0/24', '::1'] }))
  assert.deepEqual(failures(), [['proxy-untrusted', 1]])
  await accept(behindProxy({ trusted: ['127.0.0.0/8'] }))
  await accept(behindProxy(true))
  assert.equal(accounts.counts.queued, 2)
})

overBoth(
  'the limit for each client counts the client behind the proxy, and all the same address',
  async (t) => {
    const { accept, queue, accounts } = await proxied(t, [100, 1])
    const [one, same, other] = [await accept(), await accept(), await accept()]
    one.client.write(line)
    await waitFor('the first', () => queue.length === 1)
    same.client.write(binaryHeader(1, families.tcp4, addresses4))
    await waitFor('the refusal', () => accounts.counts.shed === 1)
    other.client.write(line.replace('192.0.2.1', '192.0.2.9'))
    await waitFor('the other', () => queue.length === 2)
  },
)

overBoth("a proxy's own connection counts for the proxy", async (t) => {
  const { accept, queue } = await proxied(t, [100, 1])
  const { client } = await accept()
  client.write(binaryHeader(0, families.unspec, Buffer.alloc(0)))
  const first = await waitFor('the header', () => [...queue][0])
  assert.equal(first.client, undefined)
  assert.equal(first.countedAs, '127.0.0.1')
})

overBoth('those whose header is awaited take room in the queue', async (t) => {
  const { accept, dispatcher, accounts } = await proxied(t, [2])
  await accept()
  dispatcher.accept((await handlePair(t)).handle, anywhere)
  await accept()
  dispatcher.accept((await handlePair(t)).handle, anywhere)
  assert.deepEqual([accounts.counts.queued, accounts.counts.shed], [2, 2])
})

overBoth(
  'a stop drops them, and shortage of descriptors turns the last of them away',
  async (t) => {
    const { accept, dispatcher, accounts } = await proxied(t)
    for (let count = 0; count < 3; count += 1) await accept()
    assert.equal(dispatcher.shedLast(1), 1)
    assert.equal(accounts.counts.shed, 1)
    assert.equal(dispatcher.abandon(), 2)
    assert.deepEqual([accounts.counts.failed, accounts.counts.queued], [2, 0])
  },
)

overBoth('another process goes on with a header that it gets in the middle', async (t) => {
  const old = await proxied(t)
  const { client } = await old.accept()
  client.write(line.slice(0, 20))
  const { handle } = await waitFor('the first half', () => {
    const taken = old.dispatcher.withdraw()
    if (taken?.preface !== undefined) return taken
    if (taken !== undefined) old.dispatcher.putBack(taken)
    return undefined
  })
  const next = await proxied(t)
  next.dispatcher.adopt(9, handle, behindProxy(), 1, Buffer.from(line.slice(0, 20)))
  assert.equal(next.queue.length, 0)
  client.write(`${line.slice(20)}rest`)
  const first = await waitFor('the header', () => [...next.queue][0])
  assert.equal(first.preface?.toString(), `${line}rest`)
  assert.equal(first.id, 9)
})
