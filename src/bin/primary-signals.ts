/** Imported before everything else: the listeners go in before any other code of ours runs. */
import { closeDebugger } from '../debugger.ts'
import { catchSignals } from '../primary/signals.ts'

catchSignals()
closeDebugger()
