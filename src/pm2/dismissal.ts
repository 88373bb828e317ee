import type { AppRecord } from './pm2-daemon.ts'

/** How pm2 asks a process to go: by the message `'shutdown'`, or by the signal that it ends processes with. */
export type AskedBy = 'message' | 'signal'

/** The meaning of pm2's request. */
export type Intent =
  /** `pm2 stop`, `delete`, `kill`, `update`: the service should end. */
  | 'stop'
  /** `pm2 restart`, by a person, a watched file or a schedule; in fork mode, also `pm2 reload`. */
  | 'restart'
  /** `pm2 reload`: another process of the app has taken the place of this one. */
  | 'leave'
  /** Nothing: the signal did not come from pm2. */
  | 'nothing'

/** pm2's record at the time when it started this process. */
export interface Origin {
  readonly pid: number
  readonly createdAt: number
  readonly restartDelayMs: number | undefined
}

/** A restart notes its time and sends the message in the same turn; the message takes up to this long, in ms. */
const freshMs = 100

/**
 * Tells a restart from a stop and from a reload; pm2 sends the same for all three. Before it ends a process to
 * restart it, pm2 sets the record's `created_at` to the current time. In a reload, the record already names
 * another process.
 *
 * @param record - pm2's record of this process; undefined when pm2 lists none, `null` when it does not answer
 * @param atMs - when pm2 asked, in milliseconds since the epoch
 */
export function intentOf(
  by: AskedBy,
  origin: Origin,
  record: AppRecord | undefined | null,
  atMs: number,
): Intent {
  // Without an answer, a message counts as a stop, as in an app that knows no better, and a signal as the end
  // of a reload.
  if (record === null) return by === 'message' ? 'stop' : 'leave'
  if (record === undefined || record.pid !== origin.pid) return 'leave'
  if (by === 'signal' && record.status !== 'stopping') return 'nothing'
  return isRestart(origin, record, atMs) ? 'restart' : 'stop'
}

/** `pm2 reset` also sets `created_at`, and the number of restarts to 0. */
function isRestart(origin: Origin, record: AppRecord, atMs: number): boolean {
  const { createdAt, restarts, restartDelayMs } = record
  if (createdAt === origin.createdAt) return false
  if (restarts > 0) return true
  // The first restart creates the delay; a reset does not.
  if (origin.restartDelayMs === undefined) return restartDelayMs !== undefined
  return Math.abs(atMs - createdAt) <= freshMs
}
