import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runCommand, runOrThrow } from '../command.ts'
import { pm2Cli, projectRoot } from '../paths.ts'
import { untilGone } from '../process-table.ts'
import { freePort, untilEchoes } from '../readiness.ts'
import { daemonTree, scratchFolder } from './scratch.ts'
import { serviceName, writeService } from './service.ts'
import type { RunningTarget, Target } from './target.ts'
import { Watcher } from './watcher.ts'

interface Place {
  /** PM2_HOME. */
  readonly home: string
  readonly pidFile: string
  readonly env: NodeJS.ProcessEnv
  readonly remove: () => Promise<void>
}

function running({ home, pidFile, env, remove }: Place, watcher: Watcher): RunningTarget {
  const all = async () => {
    const pidFiles = [join(home, 'pm2.pid'), pidFile]
    return (await Promise.all(pidFiles.map(daemonTree))).flat()
  }
  return {
    pids() {
      watcher.mustWatch()
      return all()
    },
    async stop() {
      watcher.stop()
      const ending = await all()
      // This makes pm2's bridge stop the service in good order first.
      if (ending.length > 0) await runCommand(pm2Cli, ['kill'], { env })
      await untilGone(ending)
      await remove()
    },
  }
}

/** helloserver under pm2, with all monitoring in use: pm2's metrics, an open page, and Prometheus. */
export const helloserverWatched: Target = {
  name: 'helloserver-watched',
  hasWorkers: true,
  canReload: false,
  hasTls: false,
  async start(setup, signal) {
    const { path, remove } = await scratchFolder()
    const pagePort = await freePort()
    const home = join(path, 'pm2')
    const settings = { admin: { http: pagePort } }
    const { pidFile, env } = await writeService(path, setup, settings, { PM2_HOME: home })
    const watcher = new Watcher(pagePort)
    const target = running({ home, pidFile, env, remove }, watcher)
    try {
      const ecosystem = join(path, 'bench.json')
      await writeFile(ecosystem, JSON.stringify({ apps: [await shippedEntry()] }))
      await runOrThrow('pm2 start', pm2Cli, ['start', ecosystem], { env })
      await untilEchoes(setup, signal)
      await watcher.start()
    } catch (error) {
      await target.stop()
      throw error
    }
    return target
  },
}

/** The ecosystem entry that the package ships; its settings are in the environment. */
async function shippedEntry(): Promise<object> {
  const file = pathToFileURL(join(projectRoot, 'ecosystem.config.js')).href
  const { apps } = (await import(file)) as { readonly apps: readonly object[] }
  return { ...apps[0], name: serviceName }
}
