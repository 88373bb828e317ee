/** A server that is up and echoes. */
export interface RunningTarget {
  /** Every process involved in serving, including the supervisor. */
  pids(): Promise<number[]>
  /** Ends them all; may be called more than once. */
  stop(): Promise<void>
}

/** A server to measure. All of them do the same: echo one line that ends with CRLF, then close. */
export interface Target {
  readonly name: TargetName
  /**
   * Starts the server on a port of 127.0.0.1 and waits until it echoes. If that fails, everything started has been
   * ended before the promise is rejected.
   *
   * @param signal its abort ends the wait
   */
  start(port: number, signal: AbortSignal): Promise<RunningTarget>
}

export const targetNames = [
  'helloserver',
  'helloserver-watched',
  'pm2-cluster',
  'node-cluster',
  'c-iterative',
] as const

/** The targets measured by default; the remaining one is meant for comparison with its own kind. */
export const usualTargets: readonly TargetName[] = targetNames.filter(
  (name) => name !== 'helloserver-watched',
)

export type TargetName = (typeof targetNames)[number]

/** The number of serving processes in every target that has more than one. */
export const workers = 2
