/** The bridge process: speaks to pm2 on one side and to the control socket on the other. Owns nothing. */
import { Bridge } from '../pm2/pm2-bridge.ts'
import type { Pm2Events } from '../pm2/pm2-events.ts'
import { Pm2Process } from '../pm2/pm2-process.ts'

/** Runs as long as pm2 wants it to. */
export async function supervise(events: Pm2Events): Promise<void> {
  const pm2 = new Pm2Process(events)
  const status = await new Bridge(pm2).run()
  await pm2.flush()
  process.exit(status)
}
