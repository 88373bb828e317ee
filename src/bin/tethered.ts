/** The primary of `helloserver dev`: a service in the foreground that ends with the process that started it. */
import './primary-signals.ts'
import { load } from './load.ts'
import type * as Serving from './serve.ts'

// The channel closes however that process ends. Signals to it do not reach this one, which has a session of its own.
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))

const { serve } = load('./serve.js') as typeof Serving
process.exit(await serve(process.argv[2] ?? '', 'foreground', true))
