import { ambient } from '../config/environment.ts'
import { signalsWith } from '../lifecycle/signal-table.ts'
import { closeDebugger } from '../process/debugger.ts'
import type { AskedBy } from './dismissal.ts'

const forwarded = signalsWith(({ inBridge }) => inBridge === 'forward')

/** pm2 ends this process, for a reason that only its record shows. A signal may also have another sender. */
export interface Dismissal {
  readonly kind: 'dismissal'
  readonly by: AskedBy
  /** Milliseconds since the epoch. */
  readonly atMs: number
  readonly signal?: NodeJS.Signals
}

/** An event from pm2; nothing else that a person does to pm2 reaches a bridge. */
export type Pm2Event =
  | Dismissal
  /** `pm2 sendSignal`. */
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  /** The pm2 daemon has died. */
  | { readonly kind: 'orphaned' }

type Act = (event: Pm2Event) => void

/** Listens to pm2 from the first moment, and keeps events until there is a listener for them. */
export class Pm2Events {
  readonly #early: Pm2Event[] = []
  #act: Act | undefined

  constructor() {
    const endingSignal = (ambient('PM2_KILL_SIGNAL') ?? 'SIGINT') as NodeJS.Signals
    for (const signal of forwarded) {
      if (signal !== endingSignal) process.on(signal, () => this.#emit({ kind: 'signal', signal }))
    }
    for (const signal of new Set<NodeJS.Signals>(['SIGINT', endingSignal])) {
      process.on(signal, () => this.#emit({ ...dismissalBy('signal'), signal }))
    }
    process.on('message', (message) => {
      if (message === 'shutdown') this.#emit(dismissalBy('message'))
    })
    // In cluster mode, Node.js then ends this process by itself.
    process.once('disconnect', () => this.#emit({ kind: 'orphaned' }))
    closeDebugger()
  }

  /** Sets the listener for events, and passes it those that have already arrived. */
  onEvent(act: Act): void {
    this.#act = act
    for (const event of this.#early.splice(0)) act(event)
  }

  #emit(event: Pm2Event): void {
    if (this.#act === undefined) this.#early.push(event)
    else this.#act(event)
  }
}

function dismissalBy(by: AskedBy): Dismissal {
  return { kind: 'dismissal', by, atMs: Date.now() }
}
