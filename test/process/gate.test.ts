import assert from 'node:assert/strict'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { describe } from 'node:test'
import type { Status } from '../../src/status.ts'
import { ask, Client } from '../helpers/client.ts'
import { reload, scale, stop, upgrade } from '../helpers/commands.ts'
import { FullLoad } from '../helpers/full-load.ts'
import { becomes, Hosts } from '../helpers/hosts.ts'
import { nativeProcessTest } from '../helpers/native-process-test.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import type { Settings } from '../helpers/sandbox.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { statusIn } from '../helpers/service-in.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Echoes a line; "hold" is echoed once the client has ended its side. */
const app = `export default {
  async handle(connection) {
    const line = await connection.readLine()
    if (line.toString().trim() === 'hold') for await (const _ of connection);
    await connection.write(line)
  },
}`

const clients = 4

interface Scene {
  readonly service: Service
  readonly load: FullLoad
}

/** A service under a load for which its workers accept by themselves. */
async function underLoad(
  t: Parameters<typeof startService>[0],
  config: Settings = {},
  allow: readonly RegExp[] = [],
): Promise<Scene> {
  const environment = { HELLOSERVER_NATIVE: 'on' }
  const service = await startService(t, {
    app,
    environment,
    config: { workers: 2, ...config },
    allow,
  })
  const load = await FullLoad.start(t, { port: service.port, clients })
  await opened(service)
  return { service, load }
}

/** The inodes of the sockets that listen on a port of IPv4, in hexadecimal digits of proc(5). */
function listening(port: number): string[] {
  const end = `:${port.toString(16).toUpperCase().padStart(4, '0')}`
  return readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => local.endsWith(end) && state === '0A')
    .flatMap(([, , , , , , , , , inode = '']) => inode)
}

/** Whether a worker has the listening socket: then it has been told to accept by itself, and keeps it until it ends. */
function hasListener(pid: number, port: number): boolean {
  const links = listening(port).map((inode) => `socket:[${inode}]`)
  try {
    const fds = readdirSync(`/proc/${pid}/fd`)
    return fds.some((fd) => links.includes(readlinkSync(`/proc/${pid}/fd/${fd}`)))
  } catch {
    // It has ended, or a descriptor was closed meanwhile.
    return false
  }
}

/** Waits until all workers accept by themselves. */
async function opened(service: Service): Promise<void> {
  await waitFor('workers that accept', async () => {
    const status = await service.status().catch(() => undefined)
    return status?.acceptor === 'workers'
  })
}

/** A client that a worker has in hand until the client ends its side; those that are turned away before count, too. */
async function hold(service: Service): Promise<Client> {
  const client = await Client.connect(service.port)
  await client.send('hold\r\n')
  const isHeld = await waitFor('a worker, or the end', async () => {
    if (client.how !== undefined) return 'ended'
    const { workers } = await service.status()
    return workers.some(({ remote }) => remote === client.address) ? 'held' : undefined
  })
  return isHeld === 'held' ? client : hold(service)
}

/** Waits until so many more connections were served than in `before`. */
async function goesOn(service: Service, before: Status, count = 2_000): Promise<Status> {
  return waitFor('more connections', async () => {
    const status = await service.status()
    return status.connections.served >= before.connections.served + count ? status : undefined
  })
}

function assertAdded({ connections }: Status): void {
  const { accepted, ...states } = connections
  const sum = Object.values(states).reduce((total, count) => total + count, 0)
  assert.equal(sum, accepted, JSON.stringify(connections))
}

/** Ends the load, whose clients must all have been served, and whose connections must all be counted. */
async function assertUnharmed({ service, load }: Scene): Promise<void> {
  const { connections, ok } = await load.stop()
  assert.equal(ok, connections)
  const { connections: counts } = await counted(service, { queued: 0, active: 0 })
  assert.equal(counts.accepted, connections)
  assert.equal(counts.served, connections)
}

describe('workers that accept by themselves', { concurrency: 2 }, () => {
  nativeProcessTest('every connection is counted, in one state at any moment', async (t) => {
    const scene = await underLoad(t)
    const { service } = scene
    let last = 0
    for (let looks = 0; looks < 50; looks += 1) {
      const status = await service.status()
      assertAdded(status)
      assert.ok(status.connections.accepted >= last, 'a count has fallen')
      last = status.connections.accepted
    }
    const client = await Client.connect(service.port)
    await client.send('hold\r\n')
    const busy = await waitFor('its worker', async () => {
      const { workers } = await service.status()
      return workers.find(({ remote }) => remote?.endsWith(`:${client.socket.localPort}`))
    })
    assert.ok((busy.busyMs ?? -1) >= 0)
    client.halfClose()
    assert.equal((await client.ending()).text, 'hold\r\n')
    const { connections, ok } = await scene.load.stop()
    assert.equal(ok, connections)
    await counted(service, { accepted: connections + 1, served: connections + 1, failed: 0 })
  })

  nativeProcessTest('a reload, a scaling and an upgrade cost nobody a connection', async (t) => {
    const scene = await underLoad(t)
    const { service } = scene
    for (const change of [
      () => reload(service),
      () => scale(service, 3),
      () => scale(service, 2),
      () => upgrade(service),
    ]) {
      const before = await service.status()
      await change()
      await goesOn(service, before)
      await opened(service)
    }
    await assertUnharmed(scene)
  })

  for (const [how, change] of [
    ['a reload', reload],
    ['an upgrade', upgrade],
  ] as const) {
    const name = `another port by ${how}: the old one is closed, whoever has its socket`
    nativeProcessTest(name, async (t) => {
      const { service, load } = await underLoad(t)
      const held = await hold(service)
      const old = await workerPids(service)
      service.sandbox.configure({ workers: 2, listen: ['[::1]:0'] })
      await change(service)
      await waitFor('the end of the old socket', () => listening(service.port).length === 0)
      assert.equal((await ask(service.port, 'late\r\n')).how, 'refused')
      assert.ok(old.some(isAlive), 'no worker has that connection')
      const { reset, short, wrong, timeout } = await load.stop()
      assert.deepEqual({ short, wrong, timeout }, { short: 0, wrong: 0, timeout: 0 })
      // A client may connect between the last look at the socket and its end.
      assert.ok(reset <= clients, `${reset} were reset`)
      held.halfClose()
      assert.equal((await held.ending()).text, 'hold\r\n')
    })
  }

  nativeProcessTest('neither of two endpoints keeps the other waiting', async (t) => {
    const listen = ['127.0.0.1:0', '[::1]:0', '127.0.0.2:0']
    const { service, load } = await underLoad(t, { listen })
    await load.stop()
    const { endpoints = [] } = await service.status()
    const ports = endpoints.map((endpoint) => Number(endpoint.split(':').at(-1)))
    const first = { port: ports[0] ?? 0, host: '127.0.0.1' }
    const last = { port: ports[2] ?? 0, host: '127.0.0.2' }
    for (const [busy, quiet] of [
      [first, last],
      [last, first],
    ] as const) {
      const many = await FullLoad.start(t, { ...busy, clients: 16 })
      const single = await FullLoad.start(t, { ...quiet, clients: 1 })
      await goesOn(service, await service.status(), 10_000)
      const [{ connections }, { ok }] = await Promise.all([many.stop(), single.stop()])
      assert.ok(ok > connections / 64, `${ok} beside ${connections}`)
    }
  })

  nativeProcessTest(
    'a worker that is killed costs its own connection, which is counted',
    async (t) => {
      const { service, load } = await underLoad(t, {}, [/lost/i, /died/i, /exited/i, /worker/i])
      for (let kills = 0; kills < 2; kills += 1) {
        const [pid = 0] = await workerPids(service)
        signalTo(pid, 'SIGKILL')
        await waitFor('another worker', async () => {
          const pids = await workerPids(service)
          return pids.length === 2 && !pids.includes(pid)
        })
        await opened(service)
      }
      const { connections, ok, refused } = await load.stop()
      const status = await counted(service, { queued: 0, active: 0 })
      assertAdded(status)
      const { accepted, served, failed } = status.connections
      assert.equal(accepted, connections)
      assert.equal(refused, 0)
      assert.ok(failed <= 2 && served + failed === accepted, JSON.stringify(status.connections))
      assert.ok(ok >= served && ok <= served + 2, `${ok} of ${served} answered`)
    },
  )

  nativeProcessTest('a primary that is killed costs nobody a connection', async (t) => {
    const config = { rescue: { startAfterMs: 100 } }
    const { service, load } = await underLoad(t, config, [/^Killed$/])
    let before = await service.status()
    for (const _ of [1, 2]) {
      signalTo(before.pid, 'SIGKILL')
      before = await waitFor('another primary', async () => {
        const status = await statusIn(service.sandbox).catch(() => undefined)
        return status?.state === 'serving' && status.pid !== before.pid ? status : undefined
      })
      before = await goesOn(service, before)
      await opened(service)
    }
    const { connections, ok, refused } = await load.stop()
    const status = await counted(service, { queued: 0, active: 0 })
    assertAdded(status)
    assert.equal(refused, 0)
    assert.equal(ok, connections)
    const { accepted, served } = status.connections
    assert.deepEqual({ accepted, served }, { accepted: connections, served: connections })
  })

  nativeProcessTest('a stop serves all that have connected', async (t) => {
    const { service, load } = await underLoad(t)
    await stop(service)
    const { reset, short, wrong, timeout } = await load.stop()
    assert.deepEqual({ short, wrong, timeout }, { short: 0, wrong: 0, timeout: 0 })
    assert.ok(reset <= clients, `${reset} were reset`)
  })

  nativeProcessTest('workers that are busy let the limits of the queue count', async (t) => {
    const { service, load } = await underLoad(t, { queue: { max: 3 } }, [/queue/i])
    const holding = [await hold(service), await hold(service)]
    const full = await waitFor('a full queue', async () => {
      const status = await service.status()
      return status.queue.length === 3 && status.connections.shed > 0 ? status : undefined
    })
    assertAdded(full)
    assert.deepEqual(
      full.workers.map(({ state }) => state),
      ['busy', 'busy'],
    )
    for (const client of holding) client.halfClose()
    for (const client of holding) assert.equal((await client.ending()).text, 'hold\r\n')
    await goesOn(service, full)
    await load.stop()
    assertAdded(await counted(service, { queued: 0, active: 0 }))
  })

  nativeProcessTest('without the lease, they accept nobody', async (t) => {
    const environment = { HELLOSERVER_NATIVE: 'on' }
    const allow = [/Lost the lease/]
    const hosts = await Hosts.of(t, { app, environment, config: { workers: 2 }, allow })
    const one = await hosts.start('one')
    await becomes(one, 'serving')
    const load = await FullLoad.start(t, { port: one.port, clients })
    await opened(one)
    const two = await hosts.start('two')
    // At the same moment, so that it neither closes the gate nor renews the lease, and they have more to accept.
    const figures = load.stop()
    signalTo(one.pid, 'SIGSTOP')
    const { listen } = await becomes(two, 'serving')
    const late = await Client.connect(one.port)
    await late.send('late\r\n')
    assert.equal((await ask(listen.port, 'here\r\n')).text, 'here\r\n')
    assert.equal(late.text, '')
    signalTo(one.pid, 'SIGCONT')
    assert.equal((await late.ending()).text, '')
    const { wrong, short } = await figures
    assert.deepEqual({ wrong, short }, { wrong: 0, short: 0 })
    assertAdded(await becomes(one, 'standby'))
  })

  nativeProcessTest('where each client is asked about, none is accepted unseen', async (t) => {
    const environment = { HELLOSERVER_NATIVE: 'on' }
    const config = { workers: 2, log: { access: true } }
    const service = await startService(t, { app, environment, config })
    const load = await FullLoad.start(t, { port: service.port, clients })
    const before = await goesOn(service, await service.status())
    assert.equal(before.acceptor, 'primary')
    for (const pid of await workerPids(service)) assert.ok(!hasListener(pid, service.port))
    // With the setting, the mode changes at a reload.
    service.sandbox.configure({ workers: 2, log: { access: false } })
    await reload(service)
    await goesOn(service, before)
    await opened(service)
    await load.stop()
  })
})
