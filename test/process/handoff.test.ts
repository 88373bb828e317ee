import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status } from '../../src/status.ts'
import { ask, Client } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { signalTo } from '../helpers/processes.ts'
import type { Settings } from '../helpers/sandbox.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

type Counts = Partial<Status['connections']>

/** Notes who is inside a handler, and gives another one every chance to come in too. */
const recorder = `import { appendFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
export default {
  async handle(connection, { slot }) {
    const line = await connection.readLine()
    const note = (what) => appendFileSync(recordFile, what + ' ' + slot + ' ' + line.toString().trim() + '\\n')
    note('enter')
    await delay(2)
    await connection.write(line)
    if (line.includes('more')) await connection.write((await connection.readLine()) ?? '')
    await delay(2)
    note('leave')
  },
}`

/** Takes the only worker and keeps it until it sends a line. */
async function hold(service: Service): Promise<Client> {
  const client = await Client.connect(service.port)
  await counted(service, { active: 1 })
  return client
}

/** A client that is in the queue, behind `ahead` others. */
async function queueUp(service: Service, ahead: number, bytes: string): Promise<Client> {
  const client = await Client.connect(service.port)
  await client.send(bytes)
  await counted(service, { queued: ahead + 1 })
  return client
}

test('hand-off', async (t) => {
  const service = await startService(t, { config: { workers: 3 }, app: recorder })
  const { sandbox, port } = service

  let before = (await service.status()).connections
  /** Runs a test that begins where the one before it has ended, with nothing noted. */
  const next = (what: string, act: () => Promise<void>) =>
    t.test(what, async () => {
      before = (await counted(service, { active: 0, queued: 0 })).connections
      sandbox.mark()
      await act()
    })
  /** Waits until there are so many more than there were. */
  const grown = (counts: Counts) => {
    const totals = Object.entries(counts).map(([key, more]) => {
      return [key, before[key as keyof Counts] + more] as const
    })
    return counted(service, Object.fromEntries(totals))
  }
  /** One worker, with other settings of the queue. */
  const configure = async (queue: Settings) => {
    sandbox.configure({ queue })
    await reload(service)
    await waitFor('the new worker alone', async () => {
      const { workers, generation } = await service.status()
      return workers.length === 1 && workers[0]?.generation === generation
    })
  }

  await next('a worker handles one connection at a time, all workers at once', async () => {
    const lines = Array.from({ length: 90 }, (_, index) => `${index}\r\n`)
    const answers = await Promise.all(lines.map((line) => ask(port, line)))
    assert.deepEqual(
      answers,
      lines.map((text) => ({ how: 'end', text })),
    )
    await grown({ accepted: 90, served: 90, active: 0 })
    const most = overlaps(sandbox.record.trim().split('\n'))
    assert.deepEqual([...most.keys()].toSorted(), ['1', '2', '3', 'all'])
    assert.deepEqual([most.get('1'), most.get('2'), most.get('3')], [1, 1, 1])
    assert.ok((most.get('all') ?? 0) > 1, 'the workers did not work side by side')
  })

  const { handOff } = await service.status()
  /** What was offered to a worker that does nothing waits for it; but a queue is there for all. */
  const isOffered = handOff === 'portable'

  await next('a worker killed before its claim costs nothing: another answers', async () => {
    const [stopped = 0] = await workerPids(service)
    signalTo(stopped, 'SIGSTOP')
    const indexes = [0, 1, 2]
    const clients = await Promise.all(indexes.map(() => Client.connect(port)))
    await counted(service, isOffered ? { active: 3 } : { active: 2, queued: 1 })
    await Promise.all(clients.map((client, index) => client.send(`client ${index}\r\n`)))
    await grown(isOffered ? { served: 2, active: 1 } : { served: 3, active: 0 })
    signalTo(stopped, 'SIGKILL')
    const endings = await Promise.all(clients.map((client) => client.ending()))
    assert.deepEqual(
      endings,
      indexes.map((index) => ({ how: 'end', text: `client ${index}\r\n` })),
    )
    await grown({ accepted: 3, served: 3, failed: 0, active: 0 })
  })

  await configure({})
  await next('the first in line is served first', async () => {
    const holder = await hold(service)
    const clients = []
    for (const index of [0, 1, 2, 3, 4]) {
      clients.push(await queueUp(service, index, `client ${index}\r\n`))
    }
    await holder.send('holder\r\n')
    await Promise.all(clients.map((client) => client.ending()))
    const entered = [...sandbox.record.matchAll(/^enter \d (.*)$/gm)].map(([, who]) => who)
    assert.deepEqual(entered, ['holder', ...[0, 1, 2, 3, 4].map((index) => `client ${index}`)])
  })

  await next('what comes back from a dead worker is the first in line again', async () => {
    const [stopped = 0] = await workerPids(service)
    signalTo(stopped, 'SIGSTOP')
    const offered = isOffered ? await hold(service) : await queueUp(service, 0, '')
    await offered.send('first\r\n')
    const queued = await queueUp(service, isOffered ? 0 : 1, 'second\r\n')
    signalTo(stopped, 'SIGKILL')
    assert.equal((await offered.ending()).text, 'first\r\n')
    assert.equal((await queued.ending()).text, 'second\r\n')
    assert.match(sandbox.record, /^enter 1 first\nleave 1 first\nenter 1 second\n/)
    await grown({ accepted: 2, served: 2, failed: 0 })
  })

  await next('a worker killed after its claim costs its own client only', async () => {
    const client = await Client.connect(port)
    await client.send('more\r\n')
    await client.receives('more\r\n')
    const queued = await queueUp(service, 0, 'b\r\n')
    const [worker = 0] = await workerPids(service)
    signalTo(worker, 'SIGKILL')
    assert.equal((await client.ending()).text, 'more\r\n')
    assert.deepEqual(await queued.ending(), { how: 'end', text: 'b\r\n' })
    await grown({ accepted: 2, served: 1, failed: 1, active: 0 })
    const line = await sandbox.logged(/^.*Connection lost with its worker.*$/m)
    const { peer, ageMs, cause } = JSON.parse(line) as Record<string, unknown>
    assert.equal(peer, client.address)
    assert.equal(cause, 'killed by SIGKILL')
    assert.equal(typeof ageMs, 'number')
    const [successor] = await waitFor('another worker', async () => {
      const pids = await workerPids(service)
      return pids.length > 0 ? pids : undefined
    })
    assert.notEqual(successor, worker)
  })

  await configure({ max: 2, maxPerClient: 2 })
  await next('one address has no more than its share', async () => {
    const holder = await hold(service)
    const second = await queueUp(service, 0, 'b\r\n')
    assert.equal((await new Client(port).ending()).text, '')
    await grown({ shed: 1, queued: 1 })
    const other = await Client.connect(port, { localAddress: '127.0.0.2' })
    await other.send('c\r\n')
    await grown({ shed: 1, queued: 2 })
    await holder.send('a\r\n')
    assert.equal((await second.ending()).text, 'b\r\n')
    assert.equal((await other.ending()).text, 'c\r\n')
    assert.equal((await ask(port, 'd\r\n')).text, 'd\r\n')
  })

  await next('who finds the queue full is turned away at once', async () => {
    const holder = await hold(service)
    const waiting = await queueUp(service, 0, 'b\r\n')
    const other = await Client.connect(port, { localAddress: '127.0.0.2' })
    await other.send('c\r\n')
    await grown({ queued: 2 })
    const shed = new Client(port, { localAddress: '127.0.0.3' })
    assert.equal((await shed.ending()).text, '')
    await grown({ accepted: 4, shed: 1, queued: 2, active: 1 })
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
    assert.deepEqual(await waiting.ending(), { how: 'end', text: 'b\r\n' })
    assert.deepEqual(await other.ending(), { how: 'end', text: 'c\r\n' })
    await grown({ accepted: 4, served: 3, shed: 1 })
  })

  await configure({ maxWaitMs: 200 })
  await next('who waits too long is let go', async () => {
    const holder = await hold(service)
    const late = new Client(port)
    assert.equal((await late.ending()).text, '')
    await grown({ accepted: 2, expired: 1, queued: 0, active: 1 })
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
  })
})

/** The most handlers that were inside at the same time, for each slot and altogether. */
function overlaps(notes: readonly string[]): Map<string, number> {
  const inside = new Map<string, number>()
  const most = new Map<string, number>()
  for (const note of notes) {
    const [what, slot = ''] = note.split(' ')
    for (const key of [slot, 'all']) {
      const count = (inside.get(key) ?? 0) + (what === 'enter' ? 1 : -1)
      inside.set(key, count)
      most.set(key, Math.max(most.get(key) ?? 0, count))
    }
  }
  return most
}
