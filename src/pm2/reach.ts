import { setTimeout as delay } from 'node:timers/promises'
import type { RunFiles } from '../config/run-dir.ts'
import { connectTo } from '../control/connect.ts'
import type { ControlClient } from '../control/control-client.ts'
import { controlProtocol } from '../control/protocol.ts'
import { codeOf } from '../errors.ts'
import { permitLine } from '../fleet/permit-line.ts'
import { signalHolder } from '../lock/signal-holder.ts'
import type { Status } from '../status.ts'
import type { Logger } from '../telemetry/logger.ts'

/** How often and how long to retry while a primary is starting, or being upgraded, and not ready for a bridge. */
const retryEveryMs = 100
const retryForMs = 30_000

/** A primary that this bridge can talk to, and whether this bridge launched it. */
export interface Reached {
  readonly client: ControlClient
  readonly launched: boolean
}

/**
 * Connects to the primary; launches one if there is none. If the primary is about to end, waits for its end
 * first: in a restart, pm2 has given up waiting for it when its turn among the hosts comes late.
 *
 * The same words may mean something else to another release, but USR2 means the same to all of them: it
 * upgrades the primary to the release on disk, which is this one.
 *
 * @param start - launches a primary
 * @param isOver - whether pm2 has ended this process
 * @returns undefined when pm2 has ended this process while it waited for a primary's end
 */
export async function reachPrimary(
  files: RunFiles,
  start: () => Promise<void>,
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
        if (end !== ending) log.info({ pid }, `Waiting for the primary to end: ${end}`)
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
      // By now, the successor listens there; after a primary that has ended, the next one may.
      if (code === 'HANDED_OVER') continue
      if (code === 'HUNG_UP' && performance.now() < untilMs) continue
      if (code !== 'NOT_RUNNING') throw error
      const client = await launched(files, start, untilMs)
      if (client !== undefined) return { client, launched: true }
    }
    await delay(retryEveryMs)
  }
}

/** Launches a primary; undefined when another process is starting one at this moment. */
async function launched(
  files: RunFiles,
  start: () => Promise<void>,
  untilMs: number,
): Promise<ControlClient | undefined> {
  try {
    await start()
    return await connectTo(files)
  } catch (error) {
    if (codeOf(error) !== 'ALREADY_RUNNING' || performance.now() > untilMs) throw error
    return undefined
  }
}

/** Why a primary is about to end; undefined when it is not. */
function endOf({ drain, fleet }: Status): string | undefined {
  if (drain !== null) return 'draining'
  return fleet?.waiting?.for === 'stopping' ? permitLine(fleet.waiting) : undefined
}
