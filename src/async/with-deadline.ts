/**
 * Waits for a promise, but no longer than `ms`. The work behind it continues after that, but
 * its outcome no longer counts: a late rejection is not an unhandled one.
 *
 * @param ms - how long the promise may take, in milliseconds; the wait keeps the process alive
 * @param onLate - called at the deadline; its result, or the error that it throws, is the outcome
 */
export async function withDeadline<Value, Late>(
  promise: PromiseLike<Value>,
  ms: number,
  onLate: () => Late | Promise<Late>,
): Promise<Value | Late> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  try {
    return await Promise.race([promise, late.then(onLate)])
  } finally {
    clearTimeout(timer)
  }
}
