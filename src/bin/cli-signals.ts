/**
 * What signals do while a command runs. `run` is the service itself and acts on them as a primary does; for the other
 * commands SIGUSR1 means what it means to any program, which is its end, and not Node's debugger.
 */
import { closeDebugger } from '../debugger.ts'
import { catchSignals } from '../primary/signals.ts'
// It looks for the terminal now, since a hang-up may come at any moment.
import './terminal.ts'

const command = process.argv[2]

if (command === 'run') catchSignals()
else process.once('SIGUSR1', (signal) => setImmediate(() => process.kill(process.pid, signal)))
closeDebugger()
