import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { canLimit, limit, unlimit } from '../helpers/limits.ts'
import { signalTo } from '../helpers/processes.ts'
import { type Service, startService, workerPids } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const files = 256
const clients = 600
/** Holds each connection until its client has gone. */
const app = `export default {
  async handle(connection) {
    await connection.write((await connection.readLine()) ?? '')
  },
}`

test('a service that is short of descriptors', { skip: !canLimit }, async (t) => {
  const connection = { readTimeoutMs: 600_000, deadlineMs: 600_000 }
  const queue = { maxWaitMs: 600_000 }
  const config = { workers: 2, connection, queue, watchdog: { hungAfterMs: 600_000 } }
  const allow = [/Reload failed/]
  const service = await startService(t, { config, app, allow, files })
  const crowd = Array.from({ length: clients }, () => new Client(service.port))
  t.after(() => {
    for (const client of crowd) client.reset()
  })
  const full = await waitFor('a full queue', async () => {
    const status = await service.status()
    return status.connections.accepted === clients ? status : undefined
  })
  const { pid, port } = service
  const waiting = full.queue.length
  assert.equal(full.queue.max, waiting)
  assert.ok(waiting > 100)

  await t.test(
    'refuses workers that it has no descriptors for, and says what to raise',
    async () => {
      const { status, stderr } = await service.cli('scale', '24')
      assert.equal(status, 1)
      assert.match(
        stderr,
        /file descriptors.*of 256 are free while \d+ connections wait.*ulimit -n/,
      )
      const after = await service.status()
      assert.deepEqual([after.pid, after.workers.length, after.queue.length], [pid, 2, waiting])
    },
  )

  await t.test(
    'has as many as there is room for, and the queue gives way to the next reload',
    async () => {
      const { status, stderr } = await service.cli('scale', '3')
      assert.equal(status, 0, stderr)
      const { queue: later } = await waitFor('a smaller share', async () => {
        const now = await service.status()
        return now.queue.max < waiting ? now : undefined
      })
      // Nobody who waits is turned away for it; the new worker has one of them in hand.
      assert.equal(later.length, waiting - 1)
    },
  )

  await t.test('reloads, and replaces a worker that dies', async () => {
    const before = await workerPids(service)
    await reload(service)
    const victim = (await workerPids(service)).find((worker) => !before.includes(worker))
    assert.ok(victim !== undefined)
    signalTo(victim, 'SIGKILL')
    await waitFor('another worker', async () => {
      const { workers } = await service.status()
      return workers.every((worker) => worker.pid !== victim && worker.pid !== null)
    })
  })

  await t.test(
    'turns away who came last when the limit is lowered, and can be spoken with',
    async () => {
      const before = await service.status()
      limit(pid, 'nofile', 120)
      const event = await waitFor('the event', () => eventOf(service, 'descriptors-short'))
      assert.match(
        event.text,
        /of 120 are free.*turned away \d+ waiting connections; raise "ulimit -n"/,
      )
      const after = await service.status()
      assert.equal(after.pid, pid)
      assert.ok(after.queue.length > 0 && after.queue.length < before.queue.length)
    },
  )

  await t.test('has all of its share again when that is over', async () => {
    unlimit(pid, 'nofile')
    await waitFor('the share', async () => (await service.status()).queue.max > 120)
    for (const client of crowd) client.reset()
    assert.equal((await ask(port, 'a\r\n')).text, 'a\r\n')
  })
})

/** The last event of a kind; while the service cannot be spoken with, there is none. */
async function eventOf(service: Service, kind: string) {
  const status = await service.status().catch(() => undefined)
  return status?.events.findLast((event) => event.kind === kind)
}
