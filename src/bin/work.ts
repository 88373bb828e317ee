/** A worker process, started by the primary through node:cluster; the rest is loaded once signals have listeners. */
import './worker-signals.ts'

const { WorkerProcess } = await import('../worker/worker-process.ts')
new WorkerProcess((status) => process.exit(status)).start()
