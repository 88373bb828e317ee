/** A server that is up and echoes. */
export interface RunningTarget {
  /** Every process involved in serving, including the supervisor. */
  pids(): Promise<number[]>
  /** Has its workers replaced, and waits until they are; absent where there is no such command. */
  reload?(): Promise<void>
  /** Ends them all; may be called more than once. */
  stop(): Promise<void>
}

/** A certificate and its key, in PEM. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
}

/** How a target is to run. */
export interface Setup {
  /** A free port of 127.0.0.1. */
  readonly port: number
  /** The number of serving processes; `c-iterative` has one, whatever this says. */
  readonly workers: number
  /** It speaks TLS with these; undefined: in the clear. */
  readonly tls?: TlsFiles
}

/** A server to measure. All of them do the same: echo one line that ends with CRLF, then close. */
export interface Target {
  readonly name: TargetName
  /** Whether it has as many workers as one asks for; otherwise it has one process. */
  readonly hasWorkers: boolean
  /** Whether it can be told to replace its workers. */
  readonly canReload: boolean
  /** Whether it can speak TLS. */
  readonly hasTls: boolean
  /**
   * Starts the server and waits until it echoes. If that fails, everything started has been ended before the promise
   * is rejected.
   *
   * @param signal its abort ends the wait
   * @throws UnavailableError when this machine or this build does not have it
   */
  start(setup: Setup, signal: AbortSignal): Promise<RunningTarget>
}

/** A target cannot run here, which is no fault: it is left out. The message says why. */
export class UnavailableError extends Error {
  override name = 'UnavailableError'
}

export const targetNames = [
  'helloserver-native',
  'helloserver-portable',
  'helloserver-watched',
  'pm2-cluster',
  'pm2-cluster-no-pmx',
  'node-cluster',
  'node-cluster-none',
  'c-iterative',
] as const

/** The targets measured by default; the remaining one is meant for comparison with its own kind. */
export const usualTargets: readonly TargetName[] = targetNames.filter(
  (name) => name !== 'helloserver-watched',
)

export type TargetName = (typeof targetNames)[number]
