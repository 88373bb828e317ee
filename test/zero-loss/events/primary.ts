import { signalTo } from '../../helpers/processes.ts'
import type { Event } from '../event.ts'
import type { World } from '../world.ts'

/** pm2 starts another one; the workers of the dead one finish what they have in hand. */
async function killPrimary(world: World): Promise<void> {
  const { pid } = await world.status()
  await world.replacePrimary(async () => {
    signalTo(pid, 'SIGKILL')
    await world.settled()
  })
  await world.pm2.isListed('online')
}

export const primary: readonly Event[] = [
  {
    name: 'primary killed',
    weight: 1,
    tolerance: { refuses: true, queued: true },
    run: killPrimary,
  },
]
