import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { Pm2, type Pm2Process } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const refusal = /.*"level":"error".*One bridge is enough.*/g

describe("the app in pm2's list", { concurrency: 2 }, () => {
  for (const { what, entry, scale } of [
    { what: 'pm2 scale to three', entry: {}, scale: true },
    { what: 'instances: 3', entry: { instances: 3 }, scale: false },
  ]) {
    test(`${what} is refused in one line for each, and the first serves on`, async (t) => {
      const pm2 = new Pm2(t, { entry, allow: [/One bridge is enough/] })
      const { port, pid } = await pm2.start()
      if (scale) await pm2.do('scale', 'helloserver', '3')
      // pm2 lists them as waiting for a restart first, until it has stopped them as they have asked it to.
      const [first, ...others] = await waitFor('two that are stopped', async () => {
        const processes = await pm2.processes()
        const isOver = ({ pid, pm2_env }: Pm2Process) =>
          !isAlive(pid) && pm2_env.status === 'stopped'
        return processes.length === 3 && processes.slice(1).every(isOver) ? processes : undefined
      })
      assert.equal(first?.pm2_env.status, 'online')
      for (const { pm2_env } of others) {
        assert.deepEqual([pm2_env.exit_code, pm2_env.restart_time], [2, 0])
      }
      const lines = pm2.log().match(refusal) ?? []
      assert.equal(lines.length, 2)
      assert.match(
        lines[0] ?? '',
        /To have \d workers, run \\"helloserver scale \d --name helloserver/,
      )
      const { supervisor, ...status } = await pm2.status()
      assert.deepEqual([status.pid, supervisor.pid], [pid, first?.pid])
      assert.deepEqual(await ask(port, 'a\r\n'), { how: 'end', text: 'a\r\n' })
    })
  }

  test('shows the most vital figures, and they move', async (t) => {
    const pm2 = new Pm2(t)
    const service = await pm2.start()
    const shows = (name: string, value: RegExp) =>
      waitFor(`${name}: ${value} in pm2's list`, async () => {
        const metrics = (await pm2.bridge()).pm2_env.axm_monitor
        return value.test(String(metrics[name]?.value)) ? metrics : undefined
      })
    const idle = await shows('Now', /^serving g1$/)
    assert.deepEqual(Object.keys(idle), ['Now', 'Busy', 'Queue', 'Conn/s', 'p99', 'Reload'])
    await shows('Busy', /^0\/1$/)
    const clients = []
    for (const queued of [0, 1]) {
      clients.push(await Client.connect(service.port))
      await counted(service, { active: 1, queued })
    }
    await shows('Queue', /^1$/)
    await shows('Busy', /^1\/1$/)
    await Promise.all(clients.map((client) => client.send('a\r\n')))
    await Promise.all(clients.map((client) => client.ending()))
    await shows('Queue', /^0$/)
    await shows('p99', /^[\d.]+ m?s$/)
    await pm2.do('reload', 'helloserver')
    await shows('Now', /^serving g2$/)
    await shows('Reload', /^done \d+ m?s$/)
  })

  test('is warned about when its settings would break what pm2 is to do', async (t) => {
    const entry = { kill_timeout: 1_600, listen_timeout: 3_000, wait_ready: false }
    const pm2 = new Pm2(t, { entry })
    await pm2.do('start', pm2.ecosystemFile)
    for (const warning of [
      /kill_timeout is 1600; it must be at least 33000/,
      /listen_timeout is 3000; it must be at least 33000/,
      /needs wait_ready: true/,
    ]) {
      await pm2.logged(new RegExp(`"level":"warn".*"role":"bridge".*${warning.source}`))
    }
  })

  test('is warned about when its timeouts are left out', async (t) => {
    const pm2 = new Pm2(t, { entry: { kill_timeout: null, listen_timeout: null } })
    await pm2.start()
    await pm2.logged(/kill_timeout is .*; it must be at least 33000/)
    await pm2.logged(/listen_timeout is .*; it must be at least 33000/)
  })
})
