/** The primary process: `start` launches it as a daemon, `run` keeps it in the foreground. */
import './primary-signals.ts'
import { parseArgs } from 'node:util'
import { defaultName } from '../config/locate.ts'
import { restoreEnvironment } from '../config/shell-environment.ts'
import { load } from './load.ts'
import type * as Serving from './serve.ts'
import type * as Succeeding from './succeed.ts'

const { values } = parseArgs({
  options: {
    daemon: { type: 'boolean', default: false },
    successor: { type: 'boolean', default: false },
    name: { type: 'string', default: defaultName },
  },
})

restoreEnvironment()
process.exitCode = values.successor ? await succeed() : await serve()
process.exit()

async function succeed(): Promise<number> {
  const successor = load('./succeed.js') as typeof Succeeding
  return successor.succeed(values.name)
}

async function serve(): Promise<number> {
  const service = load('./serve.js') as typeof Serving
  return service.serve(values.name, values.daemon ? 'daemon' : 'foreground')
}
