import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ask } from '../helpers/client.ts'
import type { Load } from '../helpers/load.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

/** Waits until so many more clients than now have asked. */
async function goOn(load: Load): Promise<void> {
  const before = load.asked
  await waitFor('the load to go on', () => load.asked > before + 50)
}

describe('SIGKILL', { concurrency: 2 }, () => {
  test('of the pm2 daemon costs no connection, and pm2 start finds the same primary', async (t) => {
    const pm2 = new Pm2(t, { config: { workers: 2 } })
    const { port, pid } = await pm2.start()
    const load = pm2.load(port, 4)
    await goOn(load)
    await pm2.killDaemon()
    await waitFor('nobody attached', async () => !(await pm2.status()).supervisor.attached)
    await goOn(load)
    await pm2.do('start', pm2.ecosystemFile)
    const bridge = await pm2.isListed('online')
    await goOn(load)
    const { failures, asked } = await load.stop()
    assert.deepEqual(failures, [], `of ${asked}`)
    const status = await pm2.status()
    assert.deepEqual(
      { pid: status.pid, generation: status.generation, supervisor: status.supervisor },
      { pid, generation: 1, supervisor: { attached: true, pid: bridge.pid } },
    )
    assert.equal(status.connections.served, asked)
    await pm2.do('stop', 'helloserver')
    assert.ok(!isAlive(pid), 'pm2 stop did not end the primary')
  })

  test('of the bridge costs no connection, and its successor reloads nothing', async (t) => {
    const pm2 = new Pm2(t, { config: { workers: 2 } })
    const { port, pid } = await pm2.start()
    const load = pm2.load(port, 4)
    for (const kill of [1, 2, 3]) {
      const bridge = await pm2.isListed('online')
      signalTo(bridge.pid, 'SIGKILL')
      await waitFor(`another bridge after kill ${kill}`, async () => {
        const { supervisor } = await pm2.status()
        return supervisor.attached && supervisor.pid !== bridge.pid
      })
      await goOn(load)
    }
    const { failures, asked } = await load.stop()
    assert.deepEqual(failures, [], `of ${asked}`)
    const bridge = await pm2.isListed('online')
    assert.equal(bridge.pm2_env.restart_time, 3)
    const { supervisor, ...status } = await pm2.status()
    assert.deepEqual(
      { pid: status.pid, generation: status.generation, lastReload: status.lastReload },
      { pid, generation: 1, lastReload: null },
    )
    assert.equal(supervisor.pid, bridge.pid)
  })

  test('of the primary makes pm2 start another one, which says who died', async (t) => {
    const pm2 = new Pm2(t, { allow: [/The primary died; pm2 is to start the service again/] })
    const service = await pm2.start()
    signalTo(service.pid, 'SIGKILL')
    const { pid, listen } = await waitFor('another primary', async () => {
      const status = await pm2.status().catch(() => undefined)
      return status?.state === 'serving' && status.pid !== service.pid ? status : undefined
    })
    await pm2.logged(new RegExp(`Cleared what process ${service.pid} left behind when it died`))
    await pm2.logged(new RegExp(`"primaryPid":${service.pid},"msg":"The primary died`))
    assert.deepEqual(await ask(listen.port, 'a\r\n'), echoed)
    const bridge = await pm2.isListed('online')
    assert.equal(bridge.pm2_env.restart_time, 1)
    assert.deepEqual((await pm2.status()).supervisor, { attached: true, pid: bridge.pid })
    assert.ok(isAlive(pid))
  })

  test('of the primary while pm2 is away is put right by the next pm2 start', async (t) => {
    const pm2 = new Pm2(t)
    const service = await pm2.start()
    await pm2.killDaemon()
    signalTo(service.pid, 'SIGKILL')
    await waitFor('the end of the primary', () => !isAlive(service.pid))
    const { port } = await pm2.start()
    assert.deepEqual(await ask(port, 'a\r\n'), echoed)
    await pm2.logged(new RegExp(`Cleared what process ${service.pid} left behind when it died`))
  })

  test('of the primary and the bridge at once, too', async (t) => {
    const pm2 = new Pm2(t)
    const service = await pm2.start()
    const bridge = await pm2.bridge()
    signalTo(bridge.pid, 'SIGKILL')
    signalTo(service.pid, 'SIGKILL')
    const { listen } = await waitFor('another primary', async () => {
      const status = await pm2.status().catch(() => undefined)
      return status?.state === 'serving' && status.pid !== service.pid ? status : undefined
    })
    assert.deepEqual(await ask(listen.port, 'a\r\n'), echoed)
    await pm2.isListed('online')
  })
})
