/** When a worker that died is started again. */
export interface RespawnPolicy {
  /** Delay after the second failure in a row, in milliseconds; it doubles from there. */
  readonly baseMs: number
  /** Upper bound of the delay, in milliseconds. */
  readonly capMs: number
  /** When a worker dies after it was ready for this long, the count of failures starts over. */
  readonly stableAfterMs: number
  /** How many failures in a row are a crash loop, which makes the service `degraded`. */
  readonly loopAfter: number
}

export const defaultRespawnPolicy: RespawnPolicy = {
  baseMs: 100,
  capMs: 5_000,
  stableAfterMs: 2_000,
  loopAfter: 3,
}

/**
 * How long to wait before the next start.
 *
 * The first failure is followed by a restart at once: a single crash must not cost capacity. From the second
 * on, the delay doubles up to the cap, and half of it is random, so that slots that failed together do not
 * come back together.
 *
 * @param failures - consecutive failures, 1 or more
 * @param random - uniform in [0, 1)
 * @returns milliseconds, from 0 to `capMs`
 */
export function respawnDelayMs(
  failures: number,
  random: number,
  policy: Pick<RespawnPolicy, 'baseMs' | 'capMs'>,
): number {
  if (failures <= 1) return 0
  const full = Math.min(policy.capMs, policy.baseMs * 2 ** (failures - 2))
  return Math.round(full / 2 + (full / 2) * random)
}
