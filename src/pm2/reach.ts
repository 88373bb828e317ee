import { setTimeout as delay } from 'node:timers/promises'
import type { Environment } from '../config/environment.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { ControlClient } from '../control/client.ts'
import { connectTo } from '../control/connect.ts'
import { controlProtocol } from '../control/protocol.ts'
import { codeOf } from '../errors.ts'
import { permitLine } from '../fleet/permit-line.ts'
import { launch } from '../launch/launch.ts'
import { signalHolder } from '../lock/signal-holder.ts'
import type { Status } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'

/** A primary that is starting, or being upgraded, is not ready for a bridge; so often, and so long, it is tried. */
const retryEveryMs = 100
const retryForMs = 30_000

/** A primary that can be spoken with, and whether it was launched for that. */
export interface Reached {
  readonly client: ControlClient
  readonly launched: boolean
}

/**
 * Connects to the primary, launching one when there is none. One that is about to end is let end first: pm2 has given
 * up to wait for it, in a restart, when its turn among the hosts comes late.
 *
 * One of another release may mean something else by the same words; but what USR2 asks for is the same in
 * all of them, so it is upgraded to the release on disk, which is this one's.
 *
 * @param isOver - whether pm2 has ended this process
 * @returns undefined when pm2 has ended this process while it waited for a primary's end
 */
export async function reachPrimary(
  files: RunFiles,
  environment: Environment,
  log: Logger,
  isOver: () => boolean,
): Promise<Reached | undefined> {
  const untilMs = performance.now() + retryForMs
  let upgrading: number | undefined
  let ending: string | undefined
  for (;;) {
    try {
      const client = await connectTo(files, { onGone: (message) => log.warn(message) })
      const { protocol, version, pid } = client.service
      if (protocol !== controlProtocol && performance.now() > untilMs) {
        return { client, launched: false }
      }
      if (protocol === controlProtocol) {
        const end = endOf(await client.request('status', {}))
        if (end === undefined) return { client, launched: false }
        client.close()
        if (isOver()) return undefined
        if (end !== ending) log.info({ pid }, `The primary is to end first: ${end}`)
        ending = end
        await delay(retryEveryMs)
        continue
      }
      client.close()
      if (upgrading !== pid) {
        log.warn({ pid, version, protocol }, 'The primary is of another release; upgrading it')
        signalHolder(pid, files, 'SIGUSR2')
      }
      upgrading = pid
    } catch (error) {
      const code = codeOf(error)
      // Its successor is where it was by now; after one that has ended, nobody is, or the next one.
      if (code === 'HANDED_OVER') continue
      if (code === 'HUNG_UP' && performance.now() < untilMs) continue
      if (code !== 'NOT_RUNNING') throw error
      const client = await launched(files, environment, untilMs)
      if (client !== undefined) return { client, launched: true }
    }
    await delay(retryEveryMs)
  }
}

/** Launches a primary; undefined when somebody else is starting one at this moment. */
async function launched(
  files: RunFiles,
  environment: Environment,
  untilMs: number,
): Promise<ControlClient | undefined> {
  try {
    await launch(files, environment)
    return await connectTo(files)
  } catch (error) {
    if (codeOf(error) !== 'ALREADY_RUNNING' || performance.now() > untilMs) throw error
    return undefined
  }
}

/** How a primary is on its way to its end; undefined when it is not. */
function endOf({ drain, fleet }: Status): string | undefined {
  if (drain !== null) return 'draining'
  return fleet?.waiting?.for === 'stopping' ? permitLine(fleet.waiting) : undefined
}
