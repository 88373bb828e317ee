import type { AppRecord } from './pm2-daemon.ts'

/** How pm2 asks a process to go: by the message `'shutdown'`, or by the signal that it ends processes with. */
export type AskedBy = 'message' | 'signal'

/** What pm2 means by that. */
export type Wish =
  /** `pm2 stop`, `delete`, `kill`, `update`: the service is to end. */
  | 'stop'
  /** `pm2 restart`, by a person, a watched file or a schedule; in fork mode, `pm2 reload` too. */
  | 'restart'
  /** Another process of the app is there in place of this one: `pm2 reload`. */
  | 'leave'
  /** Nothing: the signal did not come from pm2. */
  | 'nothing'

/** What pm2 had noted when it started this process. */
export interface Origin {
  readonly pid: number
  readonly createdAt: number
  readonly restartDelayMs: number | undefined
}

/** A restart notes its time and sends the message in the same turn; it is here so soon after that. In milliseconds. */
const freshMs = 300

/**
 * Tells a restart from a stop and from a reload, for which pm2 sends the same: before it ends a process to restart it, it
 * sets the record's `created_at` to now. A reload has another process in the record by then.
 *
 * @param record - pm2's record of this process; undefined when it lists none, `null` when it gave no answer
 * @param atMs - when pm2 asked, in milliseconds since the epoch
 */
export function wishOf(
  by: AskedBy,
  origin: Origin,
  record: AppRecord | undefined | null,
  atMs: number,
): Wish {
  // Without an answer, the message is a stop, as in an app that knows no better, and the signal the end of a reload.
  if (record === null) return by === 'message' ? 'stop' : 'leave'
  if (record === undefined || record.pid !== origin.pid) return 'leave'
  if (by === 'signal' && record.status !== 'stopping') return 'nothing'
  return isRestart(origin, record, atMs) ? 'restart' : 'stop'
}

/** `pm2 reset` sets `created_at`, too, and the number of restarts to 0. */
function isRestart(origin: Origin, record: AppRecord, atMs: number): boolean {
  const { createdAt, restarts, restartDelayMs } = record
  if (createdAt === origin.createdAt) return false
  if (restarts > 0) return true
  // A first restart brings the delay into being, as a reset does not.
  if (origin.restartDelayMs === undefined) return restartDelayMs !== undefined
  return Math.abs(atMs - createdAt) <= freshMs
}
