import type { Status } from '../status.ts'
import { duration } from './table.ts'

/** Formats a short time for people, with as many digits as matter: `0.25 ms`, `3.1 ms`, `40 ms`, `1.2 s`, `12 s`. */
export function shortTime(ms: number): string {
  if (ms < 1_000) return `${digits(ms)} ms`
  return ms < 10_000 ? `${(ms / 1_000).toFixed(1)} s` : duration(ms)
}

/** Formats a rate, with a decimal only where it is informative: `0`, `2.5`, `812`. */
export function perSecond(rate: number): string {
  return rate < 10 ? String(Number(rate.toFixed(1))) : String(Math.round(rate))
}

export function megabytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MB`
}

/** How long ago `at` was, an ISO 8601 time. */
export function ago(at: string, now: Date): string {
  return duration(Math.max(0, now.getTime() - Date.parse(at)))
}

/** The memory of the primary and its workers, in bytes; shared memory counts for each process. */
export function memoryOf({ rssBytes, workers }: Pick<Status, 'rssBytes' | 'workers'>): number {
  return workers.reduce((sum, worker) => sum + worker.rssBytes, rssBytes)
}

/** The number of busy workers, and the number of all workers. */
export function busyOf(workers: Status['workers']): string {
  return `${workers.filter(({ busyMs }) => busyMs !== null).length}/${workers.length}`
}

function digits(ms: number): string {
  return ms < 1
    ? String(Number(ms.toFixed(2)))
    : ms < 10
      ? String(Number(ms.toFixed(1)))
      : ms.toFixed(0)
}
