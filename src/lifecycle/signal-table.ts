/** What a signal asks of the primary. */
export type SignalAction =
  | 'reload'
  | 'upgrade'
  | 'stop'
  | 'terminate'
  | 'interrupt'
  | 'resume'
  | 'fatal'

export type Listed = SignalAction | 'ignore'

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
  SIGUSR2: 'upgrade',
  SIGTERM: 'terminate',
  SIGINT: 'interrupt',
  SIGCONT: 'resume',

  SIGQUIT: 'fatal',
  SIGTRAP: 'fatal',
  SIGABRT: 'fatal',
  SIGSTKFLT: 'fatal',
  SIGPWR: 'fatal',
  SIGSYS: 'fatal',

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
