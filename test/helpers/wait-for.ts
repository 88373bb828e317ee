import { setTimeout as delay } from 'node:timers/promises'

/** How long anything that a test waits for may take; generous, since it only bounds failures. */
export const boundMs = 60_000

/**
 * How long to wait before the next look: a share of what has been waited already, so that a look which comes late costs
 * little beside the wait itself, and a long wait leaves the processor to what is waited for. In milliseconds.
 */
const share = 0.1
const leastMs = 5
const mostMs = 100

/**
 * Waits until `condition` gives something truthy, and returns it.
 *
 * @param what - what is waited for, for the failure's message
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

/** Rejects when `promise` has not settled in time: a test that hangs must say what it hung on. */
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
