import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { ask } from '../../helpers/client.ts'
import { upgrade } from '../../helpers/commands.ts'
import { shuffled } from '../../helpers/deck.ts'
import { isStopped } from '../../helpers/processes.ts'
import { chooseSeed, randomFrom } from '../../helpers/random.ts'
import { RedisServer } from '../../helpers/redis/server.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { type Served, ServiceHost } from './host.ts'

/** Long enough for a busy machine to renew in time. */
const ttlMs = 1_500

/** A client rests between two lines: the processor is for what happens to the hosts. In milliseconds. */
const restMs = 25

interface Fleet {
  readonly hosts: readonly ServiceHost[]
  readonly redis: RedisServer
  /** Clients keep asking every host, and what they ask is queued where nobody takes it. */
  isOver: boolean
}

/** Waits until another host than `former` has served somebody. */
async function servedBy({ hosts }: Fleet, former?: ServiceHost): Promise<ServiceHost> {
  return waitFor(`a host that serves${former && `, other than ${former.name}`}`, async () => {
    const [last] = hosts
      .flatMap(({ last: served }) => served ?? [])
      .toSorted((one, other) => other.atMs - one.atMs)
    const host = hosts.find(({ name }) => name === last?.host)
    return host === former ? undefined : host
  })
}

function inOrder(hosts: readonly ServiceHost[]): Served[] {
  return hosts.flatMap(({ served }) => served).toSorted((one, other) => one.atMs - other.atMs)
}

const faults: Readonly<Record<string, (fleet: Fleet, host: ServiceHost) => Promise<void>>> = {
  async stop(fleet, host) {
    await host.service.stop()
    await servedBy(fleet, host)
    await host.start()
  },
  async kill(fleet, host) {
    await host.kill()
    await servedBy(fleet, host)
    await host.start()
  },
  async pause(fleet, host) {
    const { pid } = host.service
    host.service.signal('SIGSTOP')
    await waitFor('the pause of a primary', () => isStopped(pid))
    await servedBy(fleet, host)
    host.service.signal('SIGCONT')
  },
  async 'cut off'(fleet, host) {
    host.way.set({ requests: 'hold', replies: 'hold' })
    await servedBy(fleet, host)
    host.way.set({})
  },
  async 'Redis restarted empty'({ redis }) {
    await redis.restart()
    await delay(ttlMs)
  },
  async upgrade(_, host) {
    await upgrade(host.service)
    await host.adopt()
  },
}

const seed = chooseSeed()

test(`a fleet of services never serves with an older token (HELLOSERVER_TEST_SEED=${seed})`, async (t) => {
  const redis = await RedisServer.start(t)
  const hosts = await Promise.all(
    ['a', 'b', 'c'].map((name) => ServiceHost.start(t, name, redis, ttlMs)),
  )
  const fleet: Fleet = { hosts, redis, isOver: false }
  const clients = hosts.map(async ({ port }) => {
    while (!fleet.isOver) await Promise.all([ask(port, 'hello\r\n'), delay(restMs)])
  })
  try {
    for (const [name, strike] of shuffled(Object.entries(faults), randomFrom(seed))) {
      t.diagnostic(name)
      await strike(fleet, await servedBy(fleet))
    }
    await servedBy(fleet)
  } finally {
    fleet.isOver = true
  }
  await Promise.all(clients)
  const served = inOrder(hosts)
  const falls = served.filter(({ token }, at) => token < (served[at - 1]?.token ?? 0))
  assert.deepEqual(falls, [])
  const byToken = new Map(served.map(({ token, host }) => [token, host]))
  for (const { token, host } of served) assert.equal(byToken.get(token), host, `two had ${token}`)
  t.diagnostic(`${served.length} connections served, by ${byToken.size} grants`)
})
