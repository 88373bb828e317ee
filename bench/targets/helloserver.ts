import { runCommand, runOrThrow } from '../command.ts'
import { helloserverCli } from '../paths.ts'
import { untilGone } from '../process-table.ts'
import { untilEchoes } from '../readiness.ts'
import { type HandOff, handOffIn } from './hand-off.ts'
import { daemonTree, scratchFolder } from './scratch.ts'
import { type ServiceFolder, serviceName, writeService } from './service.ts'
import { type RunningTarget, type Target, UnavailableError } from './target.ts'

/** Sixty-four workers take their time on two processors. */
const startMs = 300_000

const command = (verb: string, ...flags: readonly string[]) =>
  [process.execPath, [helloserverCli, verb, '--name', serviceName, ...flags]] as const

function running({ pidFile, env }: ServiceFolder, remove: () => Promise<void>): RunningTarget {
  const pids = () => daemonTree(pidFile)
  return {
    pids,
    async reload() {
      await runOrThrow('helloserver reload', ...command('reload'), { env, timeoutMs: startMs })
    },
    async stop() {
      const ending = await pids()
      // Sent even without a PID file: it is written late, and a half-started service must be stopped, too.
      await runCommand(...command('stop'), { env })
      await untilGone(ending)
      await remove()
    },
  }
}

/** @throws UnavailableError when the service hands connections over in another way than the one to be measured */
async function mustHandOff(wanted: HandOff, { env }: ServiceFolder): Promise<void> {
  const text = await runOrThrow('helloserver status', ...command('status', '--json'), { env })
  const { handOff, reason } = handOffIn(text)
  if (handOff !== wanted) throw new UnavailableError(`the hand-off is ${handOff}: ${reason}`)
}

/** helloserver as a daemon without pm2, with either way of handing connections over to workers. */
export function helloserver(handOff: HandOff): Target {
  return {
    name: `helloserver-${handOff}`,
    hasWorkers: true,
    canReload: true,
    hasTls: true,
    async start(setup, signal) {
      const scratch = await scratchFolder()
      const ways = handOff === 'portable' ? { HELLOSERVER_NATIVE: 'off' } : {}
      const folder = await writeService(scratch.path, setup, {}, ways)
      const { env } = folder
      const target = running(folder, scratch.remove)
      try {
        // Not aborted midway: the daemon could then exist without its PID file.
        await runOrThrow('helloserver start', ...command('start'), { env, timeoutMs: startMs })
        await untilEchoes(setup, signal)
        await mustHandOff(handOff, folder)
      } catch (error) {
        await target.stop()
        throw error
      }
      return target
    },
  }
}
