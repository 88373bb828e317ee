import { signalTo } from '../../helpers/processes.ts'
import type { Event } from '../event.ts'
import { isNative, type World } from '../world.ts'

/** pm2 starts another one; the workers of the dead one finish what they have in hand. */
async function killPrimary(world: World): Promise<void> {
  const { pid } = await world.status()
  const kill = async () => {
    signalTo(pid, 'SIGKILL')
    await world.settled()
  }
  // With the native hand-off, the next one counts on.
  await (isNative ? kill() : world.replacePrimary(kill))
  await world.pm2.isListed('online')
}

export const primary: readonly Event[] = [
  {
    name: 'primary killed',
    weight: 1,
    tolerance: { refuses: !isNative, queued: true },
    run: killPrimary,
  },
]
