import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand, runOrThrow } from '../command.ts'
import { echoServer, pm2Cli } from '../paths.ts'
import { untilGone } from '../process-table.ts'
import { untilEchoes } from '../readiness.ts'
import { daemonTree, scratchFolder } from './scratch.ts'
import type { RunningTarget, Setup, Target } from './target.ts'

const appName = 'bench'
/** Sixty-four workers start one after the other. */
const commandMs = 300_000

/** @param pmx whether pm2 loads its metrics into the app, as it does by default */
function ecosystem({ port, workers, tls }: Setup, pmx: boolean): string {
  const app = {
    name: appName,
    script: echoServer,
    args: [String(port), ...(tls === undefined ? [] : [tls.cert, tls.key])],
    instances: workers,
    exec_mode: 'cluster',
    ...(!pmx && { pmx: false }),
  }
  return JSON.stringify({ apps: [app] })
}

/** In pm2's cluster mode, the daemon is the cluster primary: it accepts, its children serve. */
function running(home: string, env: NodeJS.ProcessEnv, remove: () => Promise<void>): RunningTarget {
  const pids = () => daemonTree(join(home, 'pm2.pid'))
  return {
    pids,
    async reload() {
      await runOrThrow('pm2 reload', pm2Cli, ['reload', appName], { env, timeoutMs: commandMs })
    },
    async stop() {
      const ending = await pids()
      // Without a daemon, `pm2 kill` would start one only to end it, so it is run only when needed.
      if (ending.length > 0) await runCommand(pm2Cli, ['kill'], { env })
      await untilGone(ending)
      await remove()
    },
  }
}

/** The echo server under the real pm2, in a PM2_HOME of its own: no other daemon is touched. */
function pm2Target(name: Target['name'], pmx: boolean): Target {
  return {
    name,
    hasWorkers: true,
    canReload: true,
    hasTls: true,
    async start(setup, signal) {
      const scratch = await scratchFolder()
      const file = join(scratch.path, 'bench.json')
      const home = join(scratch.path, 'pm2')
      const env = { ...process.env, PM2_HOME: home }
      const target = running(home, env, scratch.remove)
      try {
        await writeFile(file, ecosystem(setup, pmx))
        // Returns once every instance listens, which is what `online` means in cluster mode. Not aborted midway: the
        // daemon could then exist without its PID file.
        await runOrThrow('pm2 start', pm2Cli, ['start', file], { env, timeoutMs: commandMs })
        await untilEchoes(setup, signal)
      } catch (error) {
        await target.stop()
        throw error
      }
      return target
    },
  }
}

/** As pm2's users have it. */
export const pm2Cluster = pm2Target('pm2-cluster', true)

/** Without pm2's metrics in the workers. */
export const pm2ClusterNoPmx = pm2Target('pm2-cluster-no-pmx', false)
