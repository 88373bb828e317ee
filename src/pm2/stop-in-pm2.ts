import { withDeadline } from '../async/with-deadline.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { stopApp } from './pm2-daemon.ts'

/** How long pm2 may take to ask this process to go, in milliseconds. */
const withinMs = 3_000

/**
 * Makes pm2 stop this process as `pm2 stop` does, so that pm2 does not start it again; resolves when pm2 asks
 * it to go, or fails to in time.
 *
 * An exit status in `stop_exit_codes` keeps pm2 from starting a process again. But an entry written by hand has
 * no such list, and if the app has a restart delay, pm2 7.0.4 lists it as "waiting restart" for ever
 * (God.handleExit) unless it was stopped.
 *
 * @param id - pm2's number of this process
 * @param asked - resolves when pm2 asks this process to go
 */
export async function stopInPm2(id: number, asked: Promise<void>, log: Logger): Promise<void> {
  const stopped = stopApp(id, withinMs)
  const refused = new Promise<void>((resolve) => {
    stopped.catch((error: unknown) => {
      log.warn({ reason: messageOf(error) }, 'Cannot make pm2 stop this app')
      resolve()
    })
  })
  await withDeadline(Promise.race([asked, refused]), withinMs, () => {})
}
