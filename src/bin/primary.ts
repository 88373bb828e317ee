/** The primary process: what `start` launches as a daemon and `run` keeps in the foreground. */
import './primary-signals.ts'
import { parseArgs } from 'node:util'
import { defaultName } from '../config/locate.ts'
import { serve } from './serve.ts'
import { succeed } from './succeed.ts'

const { values } = parseArgs({
  options: {
    daemon: { type: 'boolean', default: false },
    successor: { type: 'boolean', default: false },
    name: { type: 'string', default: defaultName },
  },
})

process.exitCode = values.successor
  ? await succeed(values.name)
  : await serve(values.name, values.daemon ? 'daemon' : 'foreground')
process.exit()
