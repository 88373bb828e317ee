/** A worker process, started by the primary through node:cluster; the rest is loaded once signals have listeners. */
import './worker-signals.ts'
import { load } from './load.ts'

const { WorkerProgram } = await load(
  '../worker/worker-program.js',
  () => import('../worker/worker-program.ts'),
)
new WorkerProgram((status) => process.exit(status)).start()
