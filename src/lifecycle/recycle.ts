import { type RespawnPolicy, respawnDelayMs } from './respawn.ts'

/** When a worker is replaced by a fresh one; 0 means never. */
export interface RecycleLimits {
  readonly afterConnections: number
  readonly maxAgeMs: number
  /** In MiB. */
  readonly maxRssMb: number
}

/** How much a worker's process has been used. */
export interface Wear {
  /** Connections that this process has served. */
  readonly served: number
  /** How long the process has been ready, in milliseconds. */
  readonly readyForMs: number
  readonly rssBytes: number
  /** Drawn once for each process, uniform in [0, 1). */
  readonly jitter: number
}

/** A worker's own threshold differs from `afterConnections` by up to this share. */
const spread = 0.1
const bytesPerMb = 1_048_576

/**
 * Why a worker must be replaced, or undefined while it may continue.
 *
 * The connection limit varies, since workers that share a load evenly would all reach the same limit together.
 * Memory counts only once the process has served a connection: memory that it needs to become ready, its
 * replacement needs too.
 */
export function recycleCause(wear: Wear, limits: RecycleLimits): string | undefined {
  const { served, readyForMs, rssBytes, jitter } = wear
  const { afterConnections, maxAgeMs, maxRssMb } = limits
  if (afterConnections > 0 && served >= ownThreshold(afterConnections, jitter)) {
    return `served ${served} connections`
  }
  if (maxAgeMs > 0 && readyForMs >= maxAgeMs) return `ran for ${Math.round(readyForMs)} ms`
  if (maxRssMb > 0 && served > 0 && rssBytes > maxRssMb * bytesPerMb) {
    return `has ${Math.round(rssBytes / bytesPerMb)} MiB of memory`
  }
  return undefined
}

/** The connection limit of one worker, within the spread; never less than one connection. */
export function ownThreshold(afterConnections: number, jitter: number): number {
  return Math.max(1, Math.round(afterConnections * (1 + spread * (2 * jitter - 1))))
}

/**
 * The worker to replace first, of those that are due: the one that has been ready for the longest. In the order of
 * slots, the last would never have its turn where a replacement takes longer than the first needs to be due again.
 */
export function firstToReplace<Due extends { readonly wear: Pick<Wear, 'readyForMs'> }>(
  due: readonly Due[],
): Due | undefined {
  return due.toSorted((a, b) => b.wear.readyForMs - a.wear.readyForMs)[0]
}

/** When a replacement cannot become ready, the code on disk is to blame, which takes a person a while to fix. */
const retryPolicy: Pick<RespawnPolicy, 'baseMs' | 'capMs'> = { baseMs: 1_000, capMs: 60_000 }

/**
 * How long to leave the workers alone after replacements that could not become ready.
 *
 * @param failures - in a row; 0 for none
 * @param random - uniform in [0, 1)
 * @returns milliseconds
 */
export function recycleDelayMs(failures: number, random: number): number {
  return failures === 0 ? 0 : respawnDelayMs(failures + 1, random, retryPolicy)
}
