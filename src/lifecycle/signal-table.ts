/**
 * The action that a signal requests of the primary. `SignalActions` (src/service/signal-actions.ts) has a method of
 * the same name for each; only `fatal` ends the process by itself (`actOnSignals`, src/bin/act-on-signals.ts).
 */
export type SignalAction =
  /** Replaces the workers by those on disk, with the configuration there. */
  | 'reload'
  /** Replaces the primary itself. */
  | 'upgrade'
  /** Serves queued and active connections, then ends; a second one moves the drain on. */
  | 'stop'
  /** Drops every connection and ends. */
  | 'terminate'
  /** In the foreground, `stop` and then `terminate`; in a daemon, nothing. */
  | 'interrupt'
  /** The process was paused: checks the lease and the files before anything else. */
  | 'resume'
  /** Releases everything and ends with the status 128 + n. */
  | 'fatal'

/** The effect of a signal in each kind of process that may receive it. */
export interface SignalRow {
  /** In the primary. */
  readonly action: SignalAction | 'ignore'
  /**
   * The target that the sender means: the service, whichever process that is after an upgrade, or the very
   * process that receives the signal.
   */
  readonly meantFor: 'service' | 'process'
  /**
   * In a worker, which also receives signals to its process group (a terminal's Ctrl-C, `kill -HUP -PGID`): a
   * signal that the primary acts on or ignores must not end a worker.
   */
  readonly inWorker: 'ignore' | 'default'
  /** In the bridge: `forward` passes it on to the primary. */
  readonly inBridge: 'forward' | 'default'
  /** How the launcher judges a primary that the signal ended before it had listeners. */
  readonly atBirth: 'start again' | 'was stopped' | 'has failed'
}

const fatal: SignalRow = {
  action: 'fatal',
  meantFor: 'process',
  inWorker: 'default',
  inBridge: 'default',
  atBirth: 'has failed',
}
const resume: SignalRow = { ...fatal, action: 'resume' }
const ignored: SignalRow = { ...fatal, action: 'ignore', inWorker: 'ignore' }
const control: Omit<SignalRow, 'action' | 'atBirth'> = {
  meantFor: 'service',
  inWorker: 'ignore',
  inBridge: 'forward',
}

/**
 * The signals table: what each signal does, in the C skeleton's three groups (control, fatal, ignored).
 *
 * SIGILL, SIGBUS, SIGFPE and SIGSEGV are left to the system although the C program caught them. Once they have
 * a listener, libuv's own handler returns into the instruction that faulted, so a real fault spins forever
 * with the port held, instead of ending the process ("Signal events" in Node's documentation warns of it). The
 * next start finds and reports what was left behind.
 */
export const signalTable: Readonly<Partial<Record<NodeJS.Signals, SignalRow>>> = {
  // A primary that is still starting reads what is on disk anyway, which is what HUP and USR2 ask for.
  SIGHUP: { ...control, action: 'reload', atBirth: 'start again' },
  SIGUSR1: { ...control, action: 'stop', atBirth: 'was stopped' },
  SIGUSR2: { ...control, action: 'upgrade', atBirth: 'start again' },
  SIGTERM: {
    action: 'terminate',
    meantFor: 'process',
    inWorker: 'default',
    inBridge: 'forward',
    atBirth: 'was stopped',
  },
  SIGINT: {
    action: 'interrupt',
    meantFor: 'process',
    inWorker: 'ignore',
    inBridge: 'default',
    atBirth: 'was stopped',
  },
  SIGCONT: resume,

  SIGQUIT: fatal,
  SIGTRAP: fatal,
  SIGABRT: fatal,
  SIGSTKFLT: fatal,
  SIGPWR: fatal,
  SIGSYS: fatal,

  SIGPIPE: ignored,
  SIGALRM: ignored,
  SIGTSTP: ignored,
  SIGTTIN: ignored,
  SIGTTOU: ignored,
  SIGURG: ignored,
  SIGXCPU: ignored,
  SIGXFSZ: ignored,
  SIGVTALRM: ignored,
  SIGPROF: ignored,
  SIGIO: ignored,
  SIGCHLD: ignored,
}

/** The signals whose row passes `test`, in the order of the table. */
export function signalsWith(test: (row: SignalRow) => boolean): NodeJS.Signals[] {
  const rows = Object.entries(signalTable) as [NodeJS.Signals, SignalRow][]
  return rows.filter(([, row]) => test(row)).map(([signal]) => signal)
}
