import { setTimeout as delay } from 'node:timers/promises'

/** The time limit of everything that a test waits for; generous, since it only bounds failures. */
export const boundMs = 60_000

/**
 * The pause before the next look, in milliseconds, as a share of the time waited so far. So a late look costs little
 * compared with the wait itself, and a long wait leaves the processor to the process that it waits for.
 */
const share = 0.1
const leastMs = 5
const mostMs = 100

/**
 * Waits until `condition` returns a truthy value, and returns it.
 *
 * @param what - describes the awaited event in the failure message
 */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  withinMs = boundMs,
): Promise<NonNullable<T>> {
  const startedMs = performance.now()
  for (;;) {
    const value = await condition()
    if (value) return value
    const waitedMs = performance.now() - startedMs
    if (waitedMs > withinMs) throw new Error(`Waited ${withinMs} ms in vain: ${what}`)
    await delay(Math.min(mostMs, Math.max(leastMs, waitedMs * share)))
  }
}

/** Rejects when `promise` has not settled in time: a test that hangs must say what it waited for. */
export async function within<T>(what: string, promise: Promise<T>, ms = boundMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${ms} ms in vain: ${what}`)), ms)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
