/**
 * How a command reacts to signals. `run` is the service itself and acts on them as a primary does; for the
 * other commands, SIGUSR1 ends the process as in any other program, and does not open Node's debugger.
 */
import { closeDebugger } from '../process/debugger.ts'
import { catchSignals } from '../service/signals.ts'
// It looks for the terminal while it loads, since a hang-up may come at any moment.
import '../service/terminal.ts'

const command = process.argv[2]

if (command === 'run') catchSignals()
else process.once('SIGUSR1', (signal) => setImmediate(() => process.kill(process.pid, signal)))
closeDebugger()
