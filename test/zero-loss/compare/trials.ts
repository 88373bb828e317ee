import { setTimeout as delay } from 'node:timers/promises'
import { signalTo } from '../../helpers/processes.ts'
import { brokenSources } from '../app-source.ts'
import { workerCount } from '../world.ts'
import type { Contestant } from './contestant.ts'

/** What both go through, by pm2's commands wherever there is one. */
export interface Trial {
  readonly name: string
  run(contestant: Contestant): Promise<void>
}

/** So long after a bad deploy, somebody has seen it and puts it right; milliseconds. */
const noticedAfterMs = 2_000

async function deployBadly(contestant: Contestant, spoil: () => void): Promise<void> {
  const { pm2, flavour } = contestant
  spoil()
  await pm2.run('reload', 'helloserver')
  await delay(noticedAfterMs)
  contestant.configure()
  contestant.release()
  await flavour.repair(pm2)
}

const brokenCode = Object.entries(brokenSources).map(
  ([what, source]): Trial => ({
    name: `reload, code: ${what}`,
    run: (contestant) => deployBadly(contestant, () => contestant.release(source)),
  }),
)

export const trials: readonly Trial[] = [
  { name: 'reload', run: ({ pm2 }) => pm2.do('reload', 'helloserver') },
  ...brokenCode,
  {
    name: 'reload, bad configuration',
    run: (contestant) => deployBadly(contestant, () => contestant.configure({ port: -1 })),
  },
  {
    name: 'scale to 2 and back',
    async run({ pm2, flavour }) {
      for (const count of [2, workerCount]) await flavour.scale(pm2, count)
    },
  },
  {
    name: 'worker SIGKILL',
    async run({ pm2, flavour }) {
      const [pid = 0] = await flavour.workerPids(pm2)
      signalTo(pid, 'SIGKILL')
    },
  },
  {
    name: 'pm2 daemon SIGKILL, start',
    async run({ pm2 }) {
      await pm2.killDaemon()
      await pm2.do('start', pm2.ecosystemFile)
    },
  },
  { name: 'restart', run: ({ pm2 }) => pm2.do('restart', 'helloserver') },
  {
    name: 'stop, start',
    async run({ pm2 }) {
      await pm2.do('stop', 'helloserver')
      await pm2.do('start', pm2.ecosystemFile)
    },
  },
]
