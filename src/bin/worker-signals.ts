/**
 * Signals that reach a worker because they were sent to its group (a terminal's Ctrl-C, `kill -HUP -PGID`)
 * are the primary's business: it acts on them or ignores them. Imported before anything else.
 */
import { closeDebugger } from '../debugger.ts'
import { type Listed, signalTable } from '../lifecycle/signal-table.ts'

const primarys: ReadonlySet<Listed> = new Set(['reload', 'upgrade', 'stop', 'interrupt', 'ignore'])

for (const [signal, listed] of Object.entries(signalTable)) {
  if (primarys.has(listed)) process.on(signal, () => {})
}
closeDebugger()
