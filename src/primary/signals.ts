import { type SignalAction, type SignalRow, signalTable } from '../lifecycle/signal-table.ts'

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
  for (const [signal, { action }] of Object.entries(signalTable) as [NodeJS.Signals, SignalRow][]) {
    process.on(signal, () => {
      if (action === 'ignore') return
      if (handler === undefined) early.push({ signal, action })
      else handler(action, signal)
    })
  }
}

/** Says who acts on signals from now on, and gives it what has arrived already. */
export function onSignal(act: Handler): void {
  handler = act
  for (const { action, signal } of early.splice(0)) act(action, signal)
}
