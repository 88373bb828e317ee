import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Status } from '../../src/status.ts'
import { ask } from '../helpers/client.ts'
import type { Load } from '../helpers/load.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor } from '../helpers/wait-for.ts'

const echoed = { how: 'end', text: 'a\r\n' }

/** Waits until so many more clients than now have asked. */
async function goOn(load: Load): Promise<void> {
  const before = load.asked
  await waitFor('the load to go on', () => load.asked > before + 50)
}

/** Waits until another primary than that serves, attached to the bridge that pm2 lists. */
async function replaced(pm2: Pm2, before: number): Promise<Status> {
  const status = await waitFor('another primary', async () => {
    const now = await pm2.status().catch(() => undefined)
    const isReplaced = now?.state === 'serving' && now.pid !== before
    return isReplaced && now.supervisor.attached ? now : undefined
  })
  assert.deepEqual(await ask(status.listen.port, 'a\r\n'), echoed)
  const bridge = await pm2.isListed('online')
  assert.equal(status.supervisor.pid, bridge.pid)
  return status
}

/** The death of a bridge or of the pm2 daemon touches neither the primary nor any client. */
async function untouched(pm2: Pm2, act: (load: Load) => Promise<void>): Promise<void> {
  const before = await pm2.status()
  const load = pm2.load(before.listen.port, 4)
  await goOn(load)
  await act(load)
  await goOn(load)
  const { failures, asked } = await load.stop()
  assert.deepEqual(failures, [], `of ${asked}`)
  const bridge = await pm2.isListed('online')
  const after = await pm2.status()
  assert.deepEqual(
    {
      pid: after.pid,
      generation: after.generation,
      lastReload: after.lastReload,
      supervisor: after.supervisor,
    },
    {
      pid: before.pid,
      generation: 1,
      lastReload: null,
      supervisor: { attached: true, pid: bridge.pid },
    },
  )
  await counted(await pm2.service(), { served: before.connections.served + asked })
}

test('SIGKILL', async (t) => {
  const pm2 = new Pm2(t, {
    allow: [/The primary died; leaving it to pm2 to start the service again/],
  })
  const first = await pm2.start()
  let { pid } = first
  const cleared = () =>
    pm2.logged(new RegExp(`Cleared the files that process ${pid} left behind when it died`))

  await t.test('of the bridge costs no connection, and its successor reloads nothing', async () => {
    await untouched(pm2, async (load) => {
      for (const kill of [1, 2]) {
        const bridge = await pm2.isListed('online')
        signalTo(bridge.pid, 'SIGKILL')
        await waitFor(`another bridge after kill ${kill}`, async () => {
          const { supervisor } = await pm2.status()
          return supervisor.attached && supervisor.pid !== bridge.pid
        })
        await goOn(load)
      }
    })
    assert.equal((await pm2.bridge()).pm2_env.restart_time, 2)
  })

  await t.test('of the primary makes pm2 start another one, which says who died', async () => {
    const before = (await pm2.bridge()).pm2_env.restart_time
    signalTo(pid, 'SIGKILL')
    const status = await replaced(pm2, pid)
    await cleared()
    await pm2.logged(new RegExp(`"primaryPid":${pid},"msg":"The primary died`))
    assert.equal((await pm2.bridge()).pm2_env.restart_time, before + 1)
    ;({ pid } = status)
    assert.ok(isAlive(pid))
  })

  await t.test('of the primary and the bridge at once, too', async () => {
    const bridge = await pm2.bridge()
    signalTo(bridge.pid, 'SIGKILL')
    signalTo(pid, 'SIGKILL')
    ;({ pid } = await replaced(pm2, pid))
  })

  await t.test('of the pm2 daemon costs no connection, and pm2 start finds the same primary', () =>
    untouched(pm2, async (load) => {
      await pm2.killDaemon()
      await waitFor('nobody attached', async () => !(await pm2.status()).supervisor.attached)
      await goOn(load)
      await pm2.do('start', pm2.ecosystemFile)
    }),
  )

  await t.test('of the primary while pm2 is away is put right by the next pm2 start', async () => {
    await pm2.killDaemon()
    signalTo(pid, 'SIGKILL')
    await waitFor('the end of the primary', () => !isAlive(pid))
    await pm2.do('start', pm2.ecosystemFile)
    const status = await replaced(pm2, pid)
    await cleared()
    ;({ pid } = status)
  })

  await t.test('of all of that leaves a service that pm2 can stop', async () => {
    await pm2.do('stop', 'helloserver')
    assert.ok(!isAlive(pid), 'pm2 stop did not end the primary')
  })
})
