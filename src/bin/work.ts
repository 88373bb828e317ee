/** A worker process, started by the primary through node:cluster; the rest is loaded once signals have listeners. */
import './worker-signals.ts'

await import('./work.ts')
