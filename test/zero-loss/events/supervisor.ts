import assert from 'node:assert/strict'
import { isAlive, signalTo } from '../../helpers/processes.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import type { Event } from '../event.ts'
import type { World } from '../world.ts'

async function killBridge({ pm2 }: World): Promise<void> {
  const { supervisor } = await pm2.status()
  signalTo(supervisor.pid ?? 0, 'SIGKILL')
  await waitFor('another bridge', async () => {
    const { attached, pid } = (await pm2.status()).supervisor
    return attached && pid !== supervisor.pid
  })
  await pm2.isListed('online')
}

async function killDaemon({ pm2 }: World): Promise<void> {
  await pm2.killDaemon()
  await pm2.do('start', pm2.ecosystemFile)
  await pm2.isListed('online')
}

async function stopAndStart(world: World): Promise<void> {
  const { pm2 } = world
  await world.replacePrimary(() => pm2.do('stop', 'helloserver'))
  await pm2.do('start', pm2.ecosystemFile)
}

async function restart(world: World): Promise<void> {
  const { pm2 } = world
  const before = await world.status()
  await pm2.do('restart', 'helloserver')
  await pm2.isListed('online')
  const after = await waitFor('the bridge at the successor', async () => {
    const now = await world.status()
    return now.pid !== before.pid && now.supervisor.attached ? now : undefined
  })
  assert.equal(after.lastReload?.outcome, 'done', after.lastReload?.reason ?? 'no restart')
  await waitFor('the end of the predecessor', () => !isAlive(before.pid))
}

async function restartTwice({ pm2 }: World): Promise<void> {
  await Promise.all([1, 2].map(() => pm2.run('restart', 'helloserver')))
  await pm2.isListed('online')
}

export const supervisor: readonly Event[] = [
  { name: 'bridge killed', weight: 1, tolerance: {}, run: killBridge },
  { name: 'pm2 daemon killed, start', weight: 1, tolerance: {}, run: killDaemon },
  // Closing a listening socket resets a client that the kernel has connected since the last one was accepted (listen(2)).
  {
    name: 'pm2 stop, start',
    weight: 1,
    tolerance: { refuses: true, claimed: 1 },
    run: stopAndStart,
  },
  { name: 'pm2 restart', weight: 2, tolerance: {}, run: restart },
  { name: 'two restarts at once', weight: 1, tolerance: {}, run: restartTwice },
]
