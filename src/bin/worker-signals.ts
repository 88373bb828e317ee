/**
 * Signals that reach a worker because they were sent to its group (a terminal's Ctrl-C, `kill -HUP -PGID`) are
 * left to the primary, which acts on them or ignores them. Imported before anything else.
 */

import { signalsWith } from '../lifecycle/signal-table.ts'
import { closeDebugger } from '../process/debugger.ts'

for (const signal of signalsWith(({ inWorker }) => inWorker === 'ignore')) {
  process.on(signal, () => {})
}
closeDebugger()
