import { fileURLToPath } from 'node:url'
import type { Pm2 } from '../../helpers/pm2.ts'
import { waitFor } from '../../helpers/wait-for.ts'
import { workerCount } from '../world.ts'

/** One of the two ways to run the same app under pm2. */
export interface Flavour {
  readonly name: string
  /** The ecosystem file's entry, over the shipped one. */
  entry(appFile: string): Readonly<Record<string, unknown>>
  /** The PIDs of the processes that serve. */
  workerPids(pm2: Pm2): Promise<number[]>
  /** Whether all of them do, and pm2 looks after them. */
  isWhole(pm2: Pm2): Promise<boolean>
  scale(pm2: Pm2, workers: number): Promise<void>
  /** What a person does who has put right a release or a configuration that would not start. */
  repair(pm2: Pm2): Promise<void>
}

export const helloserver: Flavour = {
  name: 'helloserver',
  entry: () => ({}),
  async workerPids(pm2) {
    const { workers } = await pm2.status()
    return workers.flatMap(({ pid }) => (pid === null ? [] : [pid]))
  },
  async isWhole(pm2) {
    const status = await pm2.status().catch(() => undefined)
    if (status?.state !== 'serving' || !status.supervisor.attached) return false
    const ready = status.workers.filter(({ state }) => state === 'idle' || state === 'busy')
    return ready.length === workerCount && status.workers.length === workerCount
  },
  async scale(pm2, workers) {
    const { status, stderr } = await pm2.sandbox.cli('scale', String(workers))
    if (status !== 0) throw new Error(`Cannot scale to ${workers}: ${stderr}`)
  },
  repair: (pm2) => pm2.do('reload', 'helloserver'),
}

export const pm2Cluster: Flavour = {
  name: 'pm2 cluster mode',
  entry: (appFile) => ({
    script: fileURLToPath(new URL('./plain-server.cjs', import.meta.url)),
    instances: workerCount,
    listen_timeout: 3_000,
    kill_timeout: 10_000,
    // What follows is pm2's own default again.
    treekill: true,
    stop_exit_codes: [],
    exp_backoff_restart_delay: 0,
    env: { PLAIN_APP: appFile },
  }),
  async workerPids(pm2) {
    return (await pm2.processes()).map(({ pid }) => pid).filter((pid) => pid > 0)
  },
  async isWhole(pm2) {
    const online = (await pm2.processes()).filter(({ pm2_env }) => pm2_env.status === 'online')
    return online.length === workerCount
  },
  scale: (pm2, workers) => pm2.do('scale', 'helloserver', String(workers)),
  // Nothing serves any more, and a reload of what pm2 has given up does not bring it back. A restart of
  // what crashes again and again can fail, since pm2 starts it at the same moment.
  async repair(pm2) {
    await waitFor('a restart', async () => (await pm2.run('restart', 'helloserver')).status === 0)
  },
}
