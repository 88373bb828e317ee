import { setTimeout as delay } from 'node:timers/promises'

/** How long pm2 may take to ask this process to go, in milliseconds. */
const withinMs = 3_000

/**
 * Has pm2 stop a process as `pm2 stop` does; resolves when it asks the process to go, or does not in time.
 *
 * An exit status out of `stop_exit_codes` keeps pm2 from starting a process again. But when the app has a
 * restart delay, pm2 7.0.4 lists it as "waiting restart" for ever (God.handleExit), unless it was stopped.
 *
 * @param id - pm2's number of this process
 * @param asked - resolves when pm2 asks this process to go
 */
export async function stopInPm2(id: number, asked: Promise<void>): Promise<void> {
  // Loaded only now: a bridge that runs does not need it, and it is large.
  const { default: pm2 } = await import('pm2')
  pm2.connect((error: unknown) => {
    // pm2 answers when this process is gone.
    if (!error) pm2.stop(id, () => {})
  })
  await Promise.race([asked, delay(withinMs)])
}
