import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import type { ListenSettings } from '../../../src/config/listen.ts'
import { Listeners } from '../../../src/connections/listeners.ts'
import type { Endpoint } from '../../../src/endpoint.ts'
import type { SocketHandle } from '../../../src/ipc/socket-handle.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { keptLog } from '../support/kept-log.ts'
import { nativeModule } from '../support/native-consumer.ts'
import { nativeTest } from '../support/native-test.ts'
import { listening as listenOn } from '../support/waiting-clients.ts'

/** The configuration with these endpoints. */
function at(...endpoints: Endpoint[]): ListenSettings[] {
  return endpoints.map((endpoint) => ({ endpoint }))
}

async function listening(t: TestContext) {
  const handles: SocketHandle[] = []
  const listeners = new Listeners({ accept: (handle) => handles.push(handle) }, keptLog().log)
  t.after(() => {
    listeners.close()
    for (const handle of handles) handle.close()
  })
  await listeners.listen(at({ host: '127.0.0.1', port: 0 }))
  const port = listeners.actual[0]?.port ?? 0
  /** Whether somebody who connects is accepted there. */
  const accepts = async (host: string, on = port) => {
    const before = handles.length
    const client = connect(on, host)
    t.after(() => client.destroy())
    try {
      await once(client, 'connect')
    } catch {
      return false
    }
    return waitFor('the accepted connection', () => handles.length > before)
  }
  return { listeners, port, accepts }
}

test('while it moves, both addresses are served; when it has, only the new one', async (t) => {
  const { listeners, port, accepts } = await listening(t)
  const move = await listeners.move(at({ host: '127.0.0.2', port }))
  assert.deepEqual([await accepts('127.0.0.1'), await accepts('127.0.0.2')], [true, true])
  assert.equal(listeners.actual[0]?.host, '127.0.0.1')
  await move.finish()
  assert.deepEqual([await accepts('127.0.0.1'), await accepts('127.0.0.2')], [false, true])
  assert.equal(listeners.actual[0]?.host, '127.0.0.2')
})

test('a move that is cancelled leaves the old address, and the new one can be taken later', async (t) => {
  const { listeners, port, accepts } = await listening(t)
  const move = await listeners.move(at({ host: '127.0.0.2', port }))
  await move.cancel()
  assert.deepEqual([await accepts('127.0.0.1'), await accepts('127.0.0.2')], [true, false])
  const again = await listeners.move(at({ host: '127.0.0.2', port }))
  await again.finish()
  assert.equal(await accepts('127.0.0.2'), true)
})

test('only all addresses and one of them, on one port, exclude each other', async (t) => {
  const { listeners, port } = await listening(t)
  assert.equal(
    listeners.conflictWith(at({ host: '0.0.0.0', port })),
    `no process can listen on 0.0.0.0:${port} while this service listens on 127.0.0.1:${port}`,
  )
  for (const place of [
    { host: '127.0.0.2', port },
    { host: '127.0.0.1', port },
    { host: '0.0.0.0', port: 0 },
  ]) {
    assert.equal(listeners.conflictWith(at(place)), undefined)
  }
})

test('an endpoint for all IPv6 addresses serves IPv4 clients unless it is told not to', async (t) => {
  const { listeners, port: other, accepts } = await listening(t)
  for (const [host, ipv6Only, expected] of [
    ['::', undefined, [true, true]],
    ['::', true, [false, true]],
  ] as const) {
    const endpoint = { host, port: 0, ...(ipv6Only && { ipv6Only }) }
    await (await listeners.move(at(endpoint))).finish()
    const { port } = listeners.actual[0] ?? {}
    assert.deepEqual([await accepts('127.0.0.1', port), await accepts('::1', port)], expected)
  }
  const both: Endpoint[] = [
    { host: '0.0.0.0', port: other },
    { host: '::', port: other, ipv6Only: true },
  ]
  await (await listeners.move(at(...both))).finish()
  assert.deepEqual([await accepts('127.0.0.1'), await accepts('::1')], [true, true])
})

test('a move to the same address changes nothing', async (t) => {
  const { listeners, port, accepts } = await listening(t)
  for (const place of [
    { host: '127.0.0.1', port: 0 },
    { host: '127.0.0.1', port },
  ]) {
    const move = await listeners.move(at(place))
    await move.cancel()
    await move.finish()
    assert.equal(await accepts('127.0.0.1'), true)
  }
  assert.equal(listeners.actual[0]?.port, port)
})

test('an address that the service itself blocks is refused with that reason', async (t) => {
  const { listeners, port, accepts } = await listening(t)
  await assert.rejects(listeners.move(at({ host: '0.0.0.0', port })), {
    code: 'ADDRESS_TAKEN',
    message: `Cannot listen on 0.0.0.0:${port} while this service listens on 127.0.0.1:${port}; change the port too, or use "helloserver restart"`,
  })
  assert.equal(await accepts('127.0.0.1'), true)
})

test('a name and the address that it stands for are told to be the same', async (t) => {
  const { listeners, port, accepts } = await listening(t)
  const both = at({ host: '127.0.0.1', port }, { host: 'localhost', port })
  await assert.rejects(listeners.move(both), {
    code: 'ADDRESS_TAKEN',
    message: `Cannot listen on both localhost:${port} and 127.0.0.1:${port}: they are for the same address; leave out one of them`,
  })
  assert.equal(await accepts('127.0.0.1'), true)
})

test('an end in the midst of a move closes both', async (t) => {
  const { listeners, port, accepts } = await listening(t)
  const move = await listeners.move(at({ host: '127.0.0.2', port }))
  listeners.close()
  assert.deepEqual([await accepts('127.0.0.1'), await accepts('127.0.0.2')], [false, false])
  await move.cancel()
})

test('an end before a move is bound ends the move', async (t) => {
  const { listeners, port, accepts } = await listening(t)
  const moving = listeners.move(at({ host: '127.0.0.2', port }))
  listeners.close()
  await assert.rejects(moving, /The service is stopping/)
  assert.equal(await accepts('127.0.0.2'), false)
})

/** Listeners with these settings, whether workers may accept as well, and how often they were told of a change. */
async function plainly(t: TestContext, ...settings: ListenSettings[]) {
  const told: number[] = []
  const listeners = new Listeners({ accept: () => {} }, keptLog().log, undefined, () =>
    told.push(listeners.gateSockets.length),
  )
  t.after(() => listeners.close())
  await listeners.listen(settings)
  return { listeners, told }
}

const anyPort = { host: '127.0.0.1', port: 0 } as const

test('workers may accept from sockets of TCP, in the order of the configuration', async (t) => {
  const { listeners, told } = await plainly(t, ...at(anyPort, { host: '::1', port: 0 }))
  const { gateSockets, left } = listeners
  assert.deepEqual(told, [2])
  assert.deepEqual(
    gateSockets.map(({ fd }) => fd),
    left.map(({ handle }) => handle.fd),
  )
  assert.deepEqual(
    gateSockets.map(({ endpoint }) => listeners.endpoints.at(endpoint).settings.endpoint.host),
    ['127.0.0.1', '::1'],
  )
  listeners.close()
  assert.deepEqual([listeners.gateSockets, told], [[], [2, 0]])
})

test('a proxy before one endpoint keeps workers from accepting at all of them', async (t) => {
  const { listeners } = await plainly(
    t,
    { endpoint: anyPort },
    { endpoint: anyPort, proxyProtocol: true },
  )
  assert.equal(listeners.actual.length, 2)
  assert.deepEqual(listeners.gateSockets, [])
})

test('a Unix socket keeps workers from accepting at all endpoints', async (t) => {
  const path = `@helloserver-test-${process.pid}`
  const { listeners } = await plainly(t, ...at(anyPort, { path }))
  assert.equal(listeners.actual.length, 2)
  assert.deepEqual(listeners.gateSockets, [])
})

nativeTest('workers do not accept from a socket that a service manager keeps open', async (t) => {
  const { fd, host, port } = await listenOn(t)
  const { listeners, told } = await plainly(t)
  const endpoint = { host, port }
  const given = { kind: 'inherited', fd: nativeModule().duplicate(fd), endpoint } as const
  await listeners.listen(at(endpoint), [given])
  assert.equal(listeners.actual.length, 1)
  assert.deepEqual([listeners.gateSockets, listeners.left, told.at(-1)], [[], [], 0])
})

test('while endpoints move, workers do not accept; afterwards, from the new ones', async (t) => {
  const { listeners, told } = await plainly(t, ...at(anyPort))
  const { port } = listeners.actual[0] ?? {}
  assert.ok(port !== undefined)
  const [before] = listeners.gateSockets
  const move = await listeners.move(at({ host: '127.0.0.2', port }))
  assert.deepEqual([listeners.gateSockets, told.at(-1)], [[], 0])
  await move.cancel()
  assert.deepEqual(listeners.gateSockets, [before])
  const again = await listeners.move(at({ host: '127.0.0.2', port }))
  await again.finish()
  const [after] = listeners.gateSockets
  assert.ok(after !== undefined)
  assert.notEqual(after.endpoint, before?.endpoint)
  assert.equal(listeners.endpoints.at(after.endpoint).settings.endpoint.host, '127.0.0.2')
})

test('settings that change at the same address change the number of its endpoint', async (t) => {
  const { listeners, told } = await plainly(t, ...at(anyPort))
  const [before] = listeners.gateSockets
  const proxied = await listeners.move([{ endpoint: anyPort, proxyProtocol: true }])
  assert.deepEqual(
    listeners.gateSockets,
    [before],
    'it is served as before until the move is finished',
  )
  await proxied.finish()
  assert.deepEqual([listeners.gateSockets, told.at(-1)], [[], 0])
  await (await listeners.move(at(anyPort))).finish()
  assert.deepEqual([listeners.gateSockets, told.at(-1)], [[before], 1])
})
