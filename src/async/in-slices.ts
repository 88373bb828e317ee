import { setImmediate as nextTurn } from 'node:timers/promises'

/** A computation that can be interrupted after each step. */
export type Steps<Result> = Generator<void, Result>

/** How long a slice takes, in milliseconds, unless one step takes longer. */
const sliceMs = 5

/** Performs a computation without interruption. */
export function atOnce<Result>(steps: Steps<Result>): Result {
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
  }
}

/** Performs a computation in slices, between which this process does everything else that it has to do. */
export async function inSlices<Result>(steps: Steps<Result>): Promise<Result> {
  let startMs = performance.now()
  for (;;) {
    const { done, value } = steps.next()
    if (done) return value
    if (performance.now() - startMs < sliceMs) continue
    await nextTurn()
    startMs = performance.now()
  }
}
