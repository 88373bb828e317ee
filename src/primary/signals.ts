import { type Listed, type SignalAction, signalTable } from '../lifecycle/signal-table.ts'

interface Caught {
  readonly signal: NodeJS.Signals
  readonly action: SignalAction
}

type Handler = (action: SignalAction, signal: NodeJS.Signals) => void

const early: Caught[] = []
let handler: Handler | undefined

/**
 * Installs every listener, before anything else is loaded; what arrives before `onSignal` is kept for it.
 */
export function catchSignals(): void {
  for (const [signal, listed] of Object.entries(signalTable) as [NodeJS.Signals, Listed][]) {
    process.on(signal, () => {
      if (listed === 'ignore') return
      if (handler === undefined) early.push({ signal, action: listed })
      else handler(listed, signal)
    })
  }
}

/** Says who acts on signals from now on, and gives it what has arrived already. */
export function onSignal(act: Handler): void {
  handler = act
  for (const { action, signal } of early.splice(0)) act(action, signal)
}
