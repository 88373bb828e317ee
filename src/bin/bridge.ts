/** The bridge process: speaks pm2 on one side and the control socket on the other. Owns nothing. */
import { Bridge } from '../pm2/bridge.ts'
import { Pm2Process } from '../pm2/pm2-process.ts'

const pm2 = new Pm2Process()
const status = await new Bridge(pm2).run()
await pm2.flush()
process.exit(status)
