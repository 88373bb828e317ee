import { setTimeout as delay } from 'node:timers/promises'

/** How long anything that a test waits for may take; generous, since it only bounds failures. */
export const boundMs = 60_000

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
    if (performance.now() - startedMs > withinMs) {
      throw new Error(`Waited ${withinMs} ms in vain: ${what}`)
    }
    await delay(10)
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
