import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { runCommand, runOrThrow } from '../command.ts'
import { echoApp, pm2Cli, projectRoot } from '../paths.ts'
import { untilGone } from '../process-table.ts'
import { freePort, untilEchoes } from '../readiness.ts'
import { environment, serviceName } from './helloserver.ts'
import { daemonTree, scratchFolder } from './scratch.ts'
import type { RunningTarget, Target } from './target.ts'
import { Watcher } from './watcher.ts'

interface Place {
  readonly home: string
  readonly runDir: string
  readonly remove: () => Promise<void>
}

function running(
  { home, runDir, remove }: Place,
  env: NodeJS.ProcessEnv,
  watcher: Watcher,
): RunningTarget {
  const all = async () => {
    const pidFiles = [join(home, 'pm2.pid'), join(runDir, `${serviceName}.pid`)]
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
  async start(port, signal) {
    const { path, remove } = await scratchFolder()
    const place = { home: join(path, 'pm2'), runDir: join(path, 'run'), remove }
    const pagePort = await freePort()
    const config = join(path, 'config.json')
    const ecosystem = join(path, 'bench.json')
    const own = { ...environment(port, place.runDir), HELLOSERVER_CONFIG: config }
    const env = { ...own, PM2_HOME: place.home }
    const watcher = new Watcher(pagePort)
    const target = running(place, env, watcher)
    try {
      await mkdir(place.runDir, { mode: 0o700 })
      await writeFile(config, JSON.stringify({ admin: { http: pagePort } }))
      await writeFile(
        join(path, 'app.js'),
        `export { default } from '${pathToFileURL(echoApp).href}'\n`,
      )
      await writeFile(ecosystem, JSON.stringify({ apps: [await shippedEntry()] }))
      await runOrThrow('pm2 start', pm2Cli, ['start', ecosystem], { env })
      await untilEchoes(port, signal)
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
