import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { Load } from '../helpers/load.ts'
import { counted, type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

test('thousands of idle clients: the queue is bounded and timed, and whoever is in turn is served', async (t) => {
  const idlers = 5_000
  const max = 300
  const service = await startService(t, {
    config: {
      workers: 2,
      // Longer than it takes so many to connect, on a busy machine too.
      queue: { max, maxWaitMs: 6_000 },
      connection: { readTimeoutMs: 5_000 },
    },
  })
  // Two for the workers, so many in the queue, and everyone else is turned away.
  const clients = Array.from({ length: idlers }, () => new Client(service.port))
  t.after(() => {
    for (const client of clients) client.socket.destroy()
  })
  const { queue } = await counted(service, { accepted: idlers, shed: idlers - max - 2 })
  assert.ok(queue.length <= max, `${queue.length} wait`)

  const endings = await Promise.all(clients.map((client) => client.ending()))
  assert.deepEqual([...new Set(endings.map(({ text }) => text))], [''])
  await counted(service, { queued: 0, active: 0, shed: idlers - max - 2 })
  assert.equal((await ask(service.port, 'still here\r\n')).text, 'still here\r\n')
})

test('no descriptor is left behind, however connections end', async (t) => {
  const service = await startService(t, {
    config: { workers: 2, connection: { readTimeoutMs: 100, lingerMs: 100 } },
  })
  await mixed(service)
  const before = await descriptors(service)
  for (let round = 0; round < 5; round += 1) await mixed(service)
  await waitFor('as many descriptors as before', async () => {
    const now = await descriptors(service)
    return now.every((count, at) => count <= (before[at] ?? 0))
  })
})

/** Answers, half-closes, resets before and after a line, and clients that say nothing. */
async function mixed(service: Service): Promise<void> {
  const load = new Load(service.port, 8)
  for (let index = 0; index < 40; index += 1) {
    const client = await Client.connect(service.port)
    if (index % 4 === 0) client.halfClose()
    if (index % 4 === 1) client.reset()
    if (index % 4 === 2) void client.send('a\r\n').then(() => client.reset())
  }
  await load.stop()
  await counted(service, { queued: 0, active: 0 })
}

/** Open files of the primary and of each worker. */
async function descriptors(service: Service): Promise<number[]> {
  const pids = [service.pid, ...(await workerPids(service))]
  return pids.map((pid) => readdirSync(`/proc/${pid}/fd`).length)
}
