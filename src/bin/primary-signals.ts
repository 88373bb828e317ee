/** Imported first, so that the listeners are installed before any other code of ours runs. */
import { closeDebugger } from '../process/debugger.ts'
import { catchSignals } from '../service/signals.ts'

catchSignals()
closeDebugger()
