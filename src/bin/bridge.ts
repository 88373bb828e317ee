/** The bridge process: speaks pm2 on one side and the control socket on the other. Owns nothing. */
import { Bridge } from '../pm2/bridge.ts'
import { Pm2Process } from '../pm2/pm2-process.ts'

/** Works as long as pm2 wants it to; `early` is what pm2 has said by now. */
export async function supervise(early: readonly unknown[]): Promise<void> {
  const pm2 = new Pm2Process(early)
  const status = await new Bridge(pm2).run()
  await pm2.flush()
  process.exit(status)
}
