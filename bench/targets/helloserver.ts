import { join } from 'node:path'
import { runCommand, runOrThrow } from '../command.ts'
import { helloserverCli } from '../paths.ts'
import { untilGone } from '../process-table.ts'
import { untilEchoes } from '../readiness.ts'
import { daemonTree, scratchFolder } from './scratch.ts'
import { type RunningTarget, type Target, workers } from './target.ts'

/** The name of the service, and hence of its files. */
export const serviceName = 'bench'

const named = ['--name', serviceName]

/** Removes the caller's own helloserver settings, which must not reach this service. */
export function environment(port: number, runDir: string): NodeJS.ProcessEnv {
  const others = Object.entries(process.env).filter(([key]) => !key.startsWith('HELLOSERVER_'))
  return {
    ...Object.fromEntries(others),
    HELLOSERVER_HOST: '127.0.0.1',
    HELLOSERVER_PORT: String(port),
    HELLOSERVER_WORKERS: String(workers),
    HELLOSERVER_RUN_DIR: runDir,
    HELLOSERVER_LOG_LEVEL: 'info',
  }
}

function running(
  runDir: string,
  env: NodeJS.ProcessEnv,
  remove: () => Promise<void>,
): RunningTarget {
  const pids = () => daemonTree(join(runDir, `${serviceName}.pid`))
  return {
    pids,
    async stop() {
      const ending = await pids()
      // Sent even without a PID file: it is written late, and a half-started service must be stopped, too.
      await runCommand(process.execPath, [helloserverCli, 'stop', ...named], { env })
      await untilGone(ending)
      await remove()
    },
  }
}

/** helloserver as a daemon without pm2, with the echo app that it serves by default. */
export const helloserver: Target = {
  name: 'helloserver',
  async start(port, signal) {
    const scratch = await scratchFolder()
    const env = environment(port, scratch.path)
    const target = running(scratch.path, env, scratch.remove)
    try {
      const command = [helloserverCli, 'start', ...named]
      // Not aborted midway: the daemon could then exist without its PID file.
      await runOrThrow('helloserver start', process.execPath, command, { env })
      await untilEchoes(port, signal)
    } catch (error) {
      await target.stop()
      throw error
    }
    return target
  },
}
