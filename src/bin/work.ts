/** A worker process, started by the primary through node:cluster; the rest is loaded once signals have listeners. */
import './worker-signals.ts'
import type * as Working from '../worker/worker-program.ts'
import { load } from './load.ts'

const { WorkerProgram } = load('../worker/worker-program.js') as typeof Working
new WorkerProgram((status) => process.exit(status)).start()
