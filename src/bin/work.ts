/** A worker process, started by the primary through node:cluster; the rest is loaded once signals have listeners. */
import './worker-signals.ts'

const { WorkerProgram } = await import('../worker/worker-program.ts')
new WorkerProgram((status) => process.exit(status)).start()
