import { closeDebugger } from '../debugger.ts'

const forwarded = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGTERM'] as const

/** What pm2 tells a bridge; anything else a person does to pm2 does not reach it. */
export type Pm2Event =
  /** `pm2 stop`, `restart`, `delete`, `kill`, `update`. */
  | { readonly kind: 'shutdown' }
  /** The old process of a reload is to go. */
  | { readonly kind: 'interrupt' }
  /** `pm2 sendSignal`. */
  | { readonly kind: 'signal'; readonly signal: NodeJS.Signals }

type Act = (event: Pm2Event) => void

/** Listens to pm2 from the first moment on, and keeps what comes before somebody acts on it. */
export class Pm2Events {
  readonly #early: Pm2Event[] = []
  #act: Act | undefined

  constructor() {
    for (const signal of forwarded) process.on(signal, () => this.#emit({ kind: 'signal', signal }))
    process.on('SIGINT', () => this.#emit({ kind: 'interrupt' }))
    process.on('message', (message) => {
      if (message === 'shutdown') this.#emit({ kind: 'shutdown' })
    })
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
