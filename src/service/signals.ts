import { type SignalAction, type SignalRow, signalTable } from '../lifecycle/signal-table.ts'

/** Acts on a signal that this process has caught. */
export type SignalHandler = (action: SignalAction, signal: NodeJS.Signals) => void

interface Caught {
  readonly signal: NodeJS.Signals
  readonly action: SignalAction
}

const early: Caught[] = []
let handler: SignalHandler | undefined

/** Installs every listener, before anything else is loaded; signals that arrive before `onSignal` are kept for it. */
export function catchSignals(): void {
  for (const [signal, { action }] of Object.entries(signalTable) as [NodeJS.Signals, SignalRow][]) {
    process.on(signal, () => {
      if (action === 'ignore') return
      if (handler === undefined) early.push({ signal, action })
      else handler(action, signal)
    })
  }
}

/** Sets the handler of all signals from now on, and delivers those that have arrived already. */
export function onSignal(act: SignalHandler): void {
  handler = act
  for (const { action, signal } of early.splice(0)) act(action, signal)
}
