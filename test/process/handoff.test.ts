import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { signalTo } from '../helpers/processes.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

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
    await delay(2)
    note('leave')
  },
}`

const greeter = `export default {
  async handle(connection) {
    await connection.write('hi\\r\\n')
    await connection.write((await connection.readLine()) ?? '')
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

describe('hand-off', { concurrency: 2 }, () => {
  test('a worker handles one connection at a time, all workers at once', async (t) => {
    const service = await startService(t, { config: { workers: 3 }, app: recorder })
    const lines = Array.from({ length: 90 }, (_, index) => `${index}\r\n`)
    const answers = await Promise.all(lines.map((line) => ask(service.port, line)))
    assert.deepEqual(
      answers,
      lines.map((text) => ({ how: 'end', text })),
    )
    await counted(service, { accepted: 90, served: 90, active: 0 })
    const notes = service.sandbox.record.trim().split('\n')
    const most = overlaps(notes)
    assert.deepEqual([...most.keys()].toSorted(), ['1', '2', '3', 'all'])
    assert.deepEqual([most.get('1'), most.get('2'), most.get('3')], [1, 1, 1])
    assert.ok((most.get('all') ?? 0) > 1, 'the workers did not work side by side')
  })

  test('the first in line is served first', async (t) => {
    const service = await startService(t, { app: recorder })
    const holder = await hold(service)
    const clients = []
    for (const index of [0, 1, 2, 3, 4]) {
      clients.push(await queueUp(service, index, `client ${index}\r\n`))
    }
    await holder.send('holder\r\n')
    await Promise.all(clients.map((client) => client.ending()))
    const entered = [...service.sandbox.record.matchAll(/^enter \d (.*)$/gm)].map(([, who]) => who)
    assert.deepEqual(entered, ['holder', ...[0, 1, 2, 3, 4].map((index) => `client ${index}`)])
  })

  test('who finds the queue full is turned away at once', async (t) => {
    const service = await startService(t, { config: { queue: { max: 1 } } })
    const holder = await hold(service)
    const waiting = await queueUp(service, 0, 'b\r\n')
    const shed = new Client(service.port)
    assert.equal((await shed.ending()).text, '')
    await counted(service, { accepted: 3, shed: 1, queued: 1, active: 1 })
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
    assert.deepEqual(await waiting.ending(), { how: 'end', text: 'b\r\n' })
    await counted(service, { accepted: 3, served: 2, shed: 1 })
  })

  test('who waits too long is let go', async (t) => {
    const service = await startService(t, { config: { queue: { maxWaitMs: 200 } } })
    const holder = await hold(service)
    const late = new Client(service.port)
    assert.equal((await late.ending()).text, '')
    await counted(service, { accepted: 2, expired: 1, queued: 0, active: 1 })
    await holder.send('a\r\n')
    assert.deepEqual(await holder.ending(), { how: 'end', text: 'a\r\n' })
  })

  test('one address has no more than its share', async (t) => {
    const service = await startService(t, { config: { queue: { maxPerClient: 2 } } })
    const holder = await hold(service)
    const second = await queueUp(service, 0, 'b\r\n')
    assert.equal((await new Client(service.port).ending()).text, '')
    await counted(service, { shed: 1, queued: 1 })
    const other = await Client.connect(service.port, { localAddress: '127.0.0.2' })
    await other.send('c\r\n')
    await counted(service, { shed: 1, queued: 2 })
    await holder.send('a\r\n')
    assert.equal((await second.ending()).text, 'b\r\n')
    assert.equal((await other.ending()).text, 'c\r\n')
    assert.equal((await ask(service.port, 'd\r\n')).text, 'd\r\n')
  })

  test('a worker killed before its claim costs nothing: another answers', async (t) => {
    const service = await startService(t, { config: { workers: 2 } })
    const [stopped = 0] = await workerPids(service)
    signalTo(stopped, 'SIGSTOP')
    const clients = await Promise.all([1, 2].map(() => Client.connect(service.port)))
    await counted(service, { active: 2 })
    await Promise.all(clients.map((client, index) => client.send(`client ${index}\r\n`)))
    await counted(service, { served: 1, active: 1 })
    signalTo(stopped, 'SIGKILL')
    const endings = await Promise.all(clients.map((client) => client.ending()))
    assert.deepEqual(
      endings,
      [0, 1].map((index) => ({ how: 'end', text: `client ${index}\r\n` })),
    )
    await counted(service, { accepted: 2, served: 2, failed: 0, active: 0 })
  })

  test('what comes back from a dead worker is the first in line again', async (t) => {
    const service = await startService(t, { app: recorder })
    const [stopped = 0] = await workerPids(service)
    signalTo(stopped, 'SIGSTOP')
    const offered = await hold(service)
    await offered.send('first\r\n')
    const queued = await queueUp(service, 0, 'second\r\n')
    signalTo(stopped, 'SIGKILL')
    assert.equal((await offered.ending()).text, 'first\r\n')
    assert.equal((await queued.ending()).text, 'second\r\n')
    assert.match(service.sandbox.record, /^enter 1 first\nleave 1 first\nenter 1 second\n/)
    await counted(service, { accepted: 2, served: 2, failed: 0 })
  })

  test('a worker killed after its claim costs its own client only', async (t) => {
    const service = await startService(t, { app: greeter })
    const client = await Client.connect(service.port)
    await client.receives('hi\r\n')
    const queued = await queueUp(service, 0, 'b\r\n')
    const [worker = 0] = await workerPids(service)
    signalTo(worker, 'SIGKILL')
    assert.equal((await client.ending()).text, 'hi\r\n')
    assert.deepEqual(await queued.ending(), { how: 'end', text: 'hi\r\nb\r\n' })
    await counted(service, { accepted: 2, served: 1, failed: 1, active: 0 })
    const line = await service.sandbox.logged(/^.*Connection lost with its worker.*$/m)
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
