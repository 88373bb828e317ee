import assert from 'node:assert/strict'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { environmentIn } from '../../src/config/environment.ts'
import { runFiles } from '../../src/config/run-dir.ts'
import { launch } from '../../src/launch/launch.ts'
import type { Status } from '../../src/status.ts'
import { ask, Client } from '../helpers/client.ts'
import { becomes, Hosts, tokenOf } from '../helpers/hosts.ts'
import { Load } from '../helpers/load.ts'
import { nativeProcessTest } from '../helpers/native-process-test.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import type { Sandbox, Settings } from '../helpers/sandbox.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { statusIn } from '../helpers/service-in.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** Answers each line, and ends unless it is "more"; does what others are about. */
const app = `import { closeSync, openSync } from 'node:fs'
const own = [4, 5, 7, 8]
export default {
  async handle(connection) {
    for await (const line of connection) {
      const text = line.toString().trim()
      if (text === 'spin') {
        await connection.write(line)
        for (;;);
      }
      if (text === 'close') for (const fd of own) closeSync(fd)
      // Other files get these numbers, the lowest that are free.
      if (text === 'replace') {
        for (const fd of [4, 7]) closeSync(fd)
        for (const _ of [4, 7]) openSync('/dev/zero')
      }
      await connection.write(line)
      if (text !== 'more') return
    }
  },
}`

const native = { HELLOSERVER_NATIVE: 'on' }

/** Nobody but the test starts another primary. */
const byHand = { startAfterMs: 0, waitMs: 30_000 }

function start(
  t: Parameters<typeof startService>[0],
  config: Settings,
  allow: readonly RegExp[] = [],
): Promise<Service> {
  return startService(t, { app, environment: native, config, allow })
}

/** Kills the primary; resolves when it has ended. */
async function kill(pid: number): Promise<void> {
  signalTo(pid, 'SIGKILL')
  await waitFor('the end of the primary', () => !isAlive(pid))
}

/** Waits until another primary than that serves, and the workers of that one have ended. */
async function replaced(sandbox: Sandbox, before: Status): Promise<Status> {
  const old = before.workers.flatMap(({ pid }) => pid ?? [])
  return waitFor('another primary', async () => {
    const status = await statusIn(sandbox).catch(() => undefined)
    if (status?.state !== 'serving' || status.pid === before.pid) return undefined
    return status.workers.some(({ pid }) => old.includes(pid ?? 0)) ? undefined : status
  })
}

/** Waits until another primary than that has the lock. */
function nextHolder({ runDir }: Sandbox, before: number): Promise<number> {
  return waitFor('the next primary', () => {
    const pid = Number.parseInt(readFileSync(join(runDir, 'helloserver.lock'), 'utf8'), 10)
    return pid > 0 && pid !== before && isAlive(pid) ? pid : undefined
  })
}

/** Starts `count` primaries at once; returns how many became the service. */
async function startAtOnce({ sandbox }: Service, count: number): Promise<number> {
  const starts = Array.from({ length: count }, () => sandbox.start())
  const outcomes = await Promise.allSettled(starts)
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'ALREADY_RUNNING')
  }
  return outcomes.filter(({ status }) => status === 'fulfilled').length
}

/** A client that a worker has, and `count` others behind it, all of which have sent a line. */
async function queueUp(service: Service, count: number): Promise<[Client, Client[]]> {
  const holder = await Client.connect(service.port)
  await holder.send('more\r\n')
  await holder.receives('more\r\n')
  const queued: Client[] = []
  for (let at = 1; at <= count; at += 1) {
    const client = await Client.connect(service.port)
    await client.send(`${at}\r\n`)
    queued.push(client)
    await counted(service, { queued: at })
  }
  return [holder, queued]
}

function assertAllAreCounted({ connections }: Status): void {
  const { accepted, ...others } = connections
  const sum = Object.values(others).reduce((total, count) => total + count, 0)
  assert.equal(sum, accepted, JSON.stringify(connections))
}

nativeProcessTest(
  'a primary that is killed under load, twice in a row, refuses nobody',
  async (t) => {
    // The shell that starts a primary says so when that is killed.
    const service = await start(t, { workers: 2, rescue: { startAfterMs: 100 } }, [/^Killed$/])
    const { sandbox } = service
    const load = new Load(service.port, 12)
    let status = await service.status()
    for (const kills of [1, 2]) {
      const soFar = load.asked
      await waitFor(`load before kill ${kills}`, () => load.asked > soFar + 50)
      await kill(status.pid)
      // The second time, the next one is killed as well, while it starts.
      if (kills === 2) await kill(await nextHolder(sandbox, status.pid))
      status = await replaced(sandbox, status)
      const { pid } = status
      const [event] = status.events.filter(({ kind }) => kind === 'primary-replaced').slice(-1)
      assert.ok(event !== undefined, `primary ${pid} does not say whom it replaces`)
    }
    const soFar = load.asked
    await waitFor('load after the last kill', () => load.asked > soFar + 50)
    const { asked, failures } = await load.stop()
    status = await counted(service, { queued: 0, active: 0 })
    assertAllAreCounted(status)
    assert.deepEqual(
      failures.filter(({ how }) => how === 'refused'),
      [],
    )
    // A connection can be between the kernel's two queues at the very moment.
    t.diagnostic(`${failures.length} of ${asked} were lost with the primary`)
    assert.ok(failures.length <= 2 * 12, `${failures.length} were lost`)
    const { accepted, served, failed } = status.connections
    assert.deepEqual(
      { accepted, served, failed },
      {
        accepted: asked,
        served: asked - failures.length,
        failed: failures.length,
      },
    )
    assert.equal(status.generation, 3)
  },
)

nativeProcessTest('while there is no primary', async (t) => {
  const service = await start(t, { workers: 1, rescue: byHand })
  const { sandbox, port } = service
  let status = await service.status()

  await t.test('workers serve what they have, and what waits in the kernel', async () => {
    const [holder, queued] = await queueUp(service, 20)
    status = await service.status()
    await kill(status.pid)
    assert.equal(await ended(holder), 'more\r\n0\r\n')
    const answers = await Promise.all(queued.map((client) => client.ending()))
    assert.deepEqual(
      answers.map(({ text }) => text),
      queued.map((_, at) => `${at + 1}\r\n`),
    )
  })

  await t.test(
    'who connects waits for the next one; of two that start at once, one wins',
    async () => {
      const waiting = await Client.connect(port)
      await waiting.send('waited\r\n')
      assert.equal(await startAtOnce(service, 2), 1)
      assert.deepEqual(await waiting.ending(), { how: 'end', text: 'waited\r\n' })
      status = await replaced(sandbox, status)
      const { connections } = await counted(service, { queued: 0, active: 0 })
      assert.deepEqual([connections.accepted, connections.served], [22, 22])
    },
  )

  await t.test(
    'a worker keeps its connection until that ends, and the new ones serve',
    async () => {
      const [holder] = await queueUp(service, 0)
      status = await service.status()
      await kill(status.pid)
      assert.equal(await startAtOnce(service, 1), 1)
      assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')
      const { workers, connections } = await service.status()
      assert.equal(connections.active, 1)
      const old = workers.find(({ pid }) => pid === status.workers[0]?.pid)
      assert.deepEqual([old?.state, old?.remote], ['retiring', holder.address])
      assert.equal(await ended(holder), 'more\r\n0\r\n')
      await replaced(sandbox, status)
      await counted(service, { accepted: 24, served: 24, failed: 0, active: 0 })
    },
  )

  await t.test('a stop right after it serves what is in hand, and ends everything', async () => {
    const [holder, queued] = await queueUp(service, 3)
    status = await service.status()
    await kill(status.pid)
    assert.equal(await startAtOnce(service, 1), 1)
    const { pid } = await service.status()
    signalTo(pid, 'SIGUSR1')
    assert.equal(await ended(holder), 'more\r\n0\r\n')
    for (const client of queued) assert.equal((await client.ending()).how, 'end')
    await sandbox.assertNothingLeft()
    assert.ok(!existsSync(join(sandbox.runDir, 'helloserver.next')), 'its socket is left behind')
  })
})

nativeProcessTest(
  'what a worker has lost by then is counted, and TERM ends the rest',
  async (t) => {
    const service = await start(t, { workers: 2, rescue: byHand })
    const [lost] = await queueUp(service, 0)
    const [holder] = await queueUp(service, 0)
    let status = await service.status()
    await kill(status.pid)
    const loser = status.workers.find(({ remote }) => remote === lost.address)
    signalTo(loser?.pid ?? 0, 'SIGKILL')
    assert.equal((await lost.ending()).text, 'more\r\n')
    assert.equal(await startAtOnce(service, 1), 1)
    assert.equal(await ended(holder), 'more\r\n0\r\n')
    await counted(service, { accepted: 2, served: 1, failed: 1, active: 0 })

    const [dropped] = await queueUp(service, 0)
    status = await service.status()
    await kill(status.pid)
    assert.equal(await startAtOnce(service, 1), 1)
    signalTo((await service.status()).pid, 'SIGTERM')
    assert.equal((await dropped.ending()).text, 'more\r\n')
    await service.sandbox.assertNothingLeft()
  },
)

nativeProcessTest('workers for whom no primary comes end by themselves', async (t) => {
  const rescue = { startAfterMs: 0, waitMs: 300 }
  const { sandbox, ...service } = await start(t, { workers: 2, rescue })
  const [holder] = await queueUp({ sandbox, ...service }, 0)
  await kill(service.pid)
  await waitFor('the end of the idle one', () => sandbox.processes().length === 1)
  assert.equal(await ended(holder), 'more\r\n0\r\n')
  await sandbox.allEnded()
  assert.equal((await ask(service.port, 'a\r\n')).how, 'refused')
  for (const file of [sandbox.pidFile, sandbox.socketFile]) rmSync(file)
})

nativeProcessTest(
  'workers that end anyway keep the next primary waiting for nothing',
  async (t) => {
    const service = await start(t, { workers: 1, rescue: byHand })
    const { sandbox } = service
    const [holder] = await queueUp(service, 0)
    signalTo(service.pid, 'SIGUSR1')
    await waitFor('the drain', async () => (await statusIn(sandbox)).state === 'draining')
    await kill(service.pid)
    assert.equal(await startAtOnce(service, 1), 1)
    assert.equal(await ended(holder), 'more\r\n0\r\n')
    await service.stop()
  },
)

nativeProcessTest('where hosts share a lease', async (t) => {
  // Many times longer than a busy machine takes to start another primary.
  const lease = { ttlMs: 15_000 }
  const config = { rescue: byHand }
  const hosts = await Hosts.of(t, { app, environment: native, config, lease })
  const one = await hosts.start('one')
  let status = await becomes(one, 'serving')

  await t.test('a primary that comes in time keeps it, also one that was just won', async () => {
    const token = tokenOf(status)
    const [holder] = await queueUp(one, 0)
    await kill(status.pid)
    assert.equal(await startAtOnce(one, 1), 1)
    assert.equal((await ask(one.port, 'a\r\n')).text, 'a\r\n')
    assert.equal(await ended(holder), 'more\r\n0\r\n')
    status = await replaced(one.sandbox, status)
    assert.equal(tokenOf(status), token)
  })

  const two = await hosts.start('two')
  await becomes(two, 'standby')

  await t.test(
    'workers take nothing once it has run out, and a late primary stands by',
    async () => {
      await kill(status.pid)
      const { listen } = await becomes(two, 'serving')
      const late = await Client.connect(one.port)
      await late.send('late\r\n')
      assert.equal((await ask(listen.port, 'a\r\n')).text, 'a\r\n')
      assert.equal(await startAtOnce(one, 1), 1)
      assert.equal((await late.ending()).text, '')
      assert.equal((await becomes(one, 'standby')).lease?.held, false)
      await two.stop()
      await becomes(one, 'serving')
    },
  )
})

nativeProcessTest('workers that no primary can find end with theirs', async (t) => {
  const { sandbox, pid } = await start(t, { workers: 1, rescue: byHand })
  // It would put the socket back.
  signalTo(pid, 'SIGSTOP')
  rmSync(join(sandbox.runDir, 'helloserver.next'))
  await kill(pid)
  await sandbox.allEnded()
  for (const file of [sandbox.pidFile, sandbox.socketFile]) rmSync(file)
})

nativeProcessTest('a worker that never answers the next primary is killed', async (t) => {
  const connection = { deadlineMs: 200, lingerMs: 100 }
  const watchdog = { heartbeatMs: 100, hungAfterMs: 500 }
  const service = await start(t, { workers: 1, rescue: byHand, connection, watchdog })
  const client = await Client.connect(service.port)
  await client.send('spin\r\n')
  await client.receives('spin\r\n')
  const [worker = 0] = await workerPids(service)
  // The watchdog of the primary must not be faster.
  await kill(service.pid)
  assert.equal(await startAtOnce(service, 1), 1)
  assert.ok(!isAlive(worker), 'it lives on')
  const { listen } = await service.status()
  assert.equal((await ask(listen.port, 'a\r\n')).text, 'a\r\n')
})

for (const deed of ['close', 'replace']) {
  nativeProcessTest(
    `an app that ${deed}s what its worker holds hurts that worker alone`,
    async (t) => {
      const service = await start(t, { workers: 2, rescue: byHand })
      assert.equal((await ask(service.port, `${deed}\r\n`)).text, `${deed}\r\n`)
      // Either worker may have it.
      const [holder] = await queueUp(service, 0)
      const status = await service.status()
      await kill(status.pid)
      assert.equal(await startAtOnce(service, 1), 1)
      assert.equal((await ask(service.port, 'a\r\n')).text, 'a\r\n')
      await holder.send('0\r\n')
      await holder.ending()
      await replaced(service.sandbox, status)
      assertAllAreCounted(await counted(service, { accepted: 3, active: 0 }))
    },
  )
}

nativeProcessTest(
  'a next primary with the portable hand-off waits until the workers have served',
  async (t) => {
    const service = await start(t, { workers: 1, rescue: byHand })
    const [holder, queued] = await queueUp(service, 3)
    await kill(service.pid)
    const portable = { ...service.sandbox.environment, HELLOSERVER_NATIVE: 'off' }
    const environment = environmentIn(portable)
    const launched = launch(runFiles('helloserver', environment), environment)
    await service.sandbox.logged(/Waiting for the workers of a dead primary/)
    assert.equal(await ended(holder), 'more\r\n0\r\n')
    for (const [at, client] of queued.entries()) {
      assert.equal((await client.ending()).text, `${at + 1}\r\n`)
    }
    await launched
    const { handOff, listen } = await service.status()
    assert.equal(handOff, 'portable')
    assert.equal((await ask(listen.port, 'a\r\n')).text, 'a\r\n')
  },
)

async function ended(client: Client): Promise<string> {
  await client.send('0\r\n')
  return (await client.ending()).text
}
