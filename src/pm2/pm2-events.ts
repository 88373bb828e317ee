import { ambient } from '../config/environment.ts'
import { closeDebugger } from '../debugger.ts'
import { signalsWith } from '../lifecycle/signal-table.ts'
import type { AskedBy } from './dismissal.ts'

const forwarded = signalsWith(({ inBridge }) => inBridge === 'forward')

/** pm2 ends this process, for a reason that only its record has. A signal may also be somebody else's. */
export interface Dismissal {
  readonly kind: 'dismissal'
  readonly by: AskedBy
  /** Milliseconds since the epoch. */
  readonly atMs: number
  readonly signal?: NodeJS.Signals
}

/** What pm2 tells a bridge; anything else a person does to pm2 does not reach it. */
export type Pm2Event =
  | Dismissal
  /** `pm2 sendSignal`. */
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }
  /** The daemon of pm2 has died. */
  | { readonly kind: 'orphaned' }

type Act = (event: Pm2Event) => void

/** Listens to pm2 from the first moment on, and keeps what comes before somebody acts on it. */
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
    // In cluster mode Node.js ends this process by itself then.
    process.once('disconnect', () => this.#emit({ kind: 'orphaned' }))
    closeDebugger()
  }

  /** Says who acts on events from now on, and gives it what has arrived already. */
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
