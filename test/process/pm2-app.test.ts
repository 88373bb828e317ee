import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask, Client } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { Pm2, type Pm2Process } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted, type Service } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const refusal = /.*"level":"error".*A service has one bridge.*/g

describe("the app in pm2's list", { concurrency: 2 }, () => {
  test('has one process that serves', async (t) => {
    const pm2 = new Pm2(t, { entry: { instances: 3 }, allow: [/A service has one bridge/] })
    const service = await pm2.start()
    await t.test('instances: 3 is refused in one line for each that is too many', () =>
      refuses(pm2, service, 2),
    )
    await t.test('pm2 scale to five is refused in one line for each, too', async () => {
      await pm2.do('scale', 'helloserver', '5')
      await refuses(pm2, service, 4)
    })
    const [, ...others] = await pm2.processes()
    await pm2.do('delete', ...others.map(({ pm_id }) => String(pm_id)))
    await t.test('it shows the most vital figures, and they move', () => showsFigures(pm2, service))
  })

  test('is warned about', async (t) => {
    const entry = { kill_timeout: null, listen_timeout: null, wait_ready: false }
    const pm2 = new Pm2(t, { entry })
    const isWarned = async (...warnings: string[]) => {
      for (const warning of warnings) {
        await pm2.logged(new RegExp(`"level":"warn".*"role":"bridge".*${warning}`))
      }
    }
    await t.test('when its timeouts are left out, and pm2 does not wait for it', async () => {
      await pm2.start()
      await isWarned(
        'kill_timeout is .*; it must be at least 33000',
        'listen_timeout is .*; it must be at least 33000',
        'needs wait_ready: true',
      )
      assert.doesNotMatch(pm2.log(), /is 1601|is 3001/)
    })
    await t.test('when its timeouts would break what pm2 is to do', async () => {
      pm2.describe({ kill_timeout: 1_601, listen_timeout: 3_001, wait_ready: false })
      await pm2.do('reload', pm2.ecosystemFile)
      await isWarned(
        'kill_timeout is 1601; it must be at least 33000',
        'listen_timeout is 3001; it must be at least 33000',
      )
    })
  })
})

/** All but the first of pm2's processes of the app are stopped, each with a line that says so. */
async function refuses(pm2: Pm2, { port, pid }: Service, count: number): Promise<void> {
  // pm2 lists them as waiting for a restart first, until it has stopped them as they have asked it to.
  const [first, ...others] = await waitFor(`${count} that are stopped`, async () => {
    const processes = await pm2.processes()
    const isOver = (one: Pm2Process) => !isAlive(one.pid) && one.pm2_env.status === 'stopped'
    return processes.length === 1 + count && processes.slice(1).every(isOver)
      ? processes
      : undefined
  })
  assert.equal(first?.pm2_env.status, 'online')
  for (const { pm2_env } of others) {
    assert.deepEqual([pm2_env.exit_code, pm2_env.restart_time], [2, 0])
  }
  const lines = pm2.log().match(refusal) ?? []
  assert.equal(lines.length, count)
  for (const line of lines) {
    assert.match(line, /To have \d workers, run \\"helloserver scale \d --name helloserver/)
  }
  const { supervisor, ...status } = await pm2.status()
  assert.deepEqual([status.pid, supervisor.pid], [pid, first?.pid])
  assert.deepEqual(await ask(port, 'a\r\n'), { how: 'end', text: 'a\r\n' })
}

async function showsFigures(pm2: Pm2, service: Service): Promise<void> {
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
  await reload(service)
  await shows('Now', /^serving g2$/)
  await shows('Reload', /^done \d+ m?s$/)
}
