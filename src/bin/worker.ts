/** A worker process, started by the primary through node:cluster; what it needs is loaded when signals have listeners. */
import './worker-signals.ts'

await import('./work.ts')
