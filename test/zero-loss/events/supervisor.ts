import { signalTo } from '../../helpers/processes.ts'
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
  await world.replacePrimary(() => world.pm2.do('restart', 'helloserver'))
}

export const supervisor: readonly Event[] = [
  { name: 'bridge killed', weight: 1, tolerance: {}, run: killBridge },
  { name: 'pm2 daemon killed, start', weight: 1, tolerance: {}, run: killDaemon },
  { name: 'pm2 stop, start', weight: 1, tolerance: { refuses: true }, run: stopAndStart },
  { name: 'pm2 restart', weight: 1, tolerance: { refuses: true }, run: restart },
]
