/** What a signal asks of the primary. */
export type SignalAction = 'reload' | 'stop' | 'terminate' | 'interrupt' | 'resume' | 'fatal'

type Listed = SignalAction | 'ignore'

/**
 * The signals table: what each signal does, in the C skeleton's three groups (control, fatal, ignored).
 *
 * SIGILL, SIGBUS, SIGFPE and SIGSEGV are left to the system although the C program caught them. Once they
 * have a listener, libuv's own handler returns into the instruction that faulted, so a real fault spins for
 * ever with the port held, instead of ending the process ("Signal events" in Node's documentation
 * warns of it). The next start finds what was left and says so.
 */
export const signalTable: Readonly<Partial<Record<NodeJS.Signals, Listed>>> = {
  SIGHUP: 'reload',
  SIGUSR1: 'stop',
  SIGTERM: 'terminate',
  SIGINT: 'interrupt',
  SIGCONT: 'resume',

  SIGQUIT: 'fatal',
  SIGTRAP: 'fatal',
  SIGABRT: 'fatal',
  SIGSTKFLT: 'fatal',
  SIGPWR: 'fatal',
  SIGSYS: 'fatal',

  SIGUSR2: 'ignore',
  SIGPIPE: 'ignore',
  SIGALRM: 'ignore',
  SIGTSTP: 'ignore',
  SIGTTIN: 'ignore',
  SIGTTOU: 'ignore',
  SIGURG: 'ignore',
  SIGXCPU: 'ignore',
  SIGXFSZ: 'ignore',
  SIGVTALRM: 'ignore',
  SIGPROF: 'ignore',
  SIGIO: 'ignore',
  SIGCHLD: 'ignore',
}

interface Caught {
  readonly signal: NodeJS.Signals
  readonly action: SignalAction
}

type Handler = (action: SignalAction, signal: NodeJS.Signals) => void

const early: Caught[] = []
let handler: Handler | undefined

/**
 * Installs every listener. Done before anything else, since until SIGUSR1 has one, Node opens its debugger
 * on it; what arrives before `onSignal` is kept for it.
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
