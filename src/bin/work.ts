/** A worker process, started by the primary through node:cluster; the rest is loaded once signals have listeners. */
import './worker-signals.ts'
import type * as RunDir from '../config/run-dir.ts'
import type * as Launching from '../launch/launch.ts'
import type * as Working from '../worker/worker-program.ts'
import { load } from './load.ts'

const { WorkerProgram } = load('../worker/worker-program.js') as typeof Working
new WorkerProgram(
  (status) => process.exit(status),
  async (service, environment) => {
    // Only a worker whose primary was killed needs them.
    const { launch } = load('../launch/launch.js') as typeof Launching
    const { runFiles } = load('../config/run-dir.js') as typeof RunDir
    await launch(runFiles(service, environment), environment)
  },
).start()
