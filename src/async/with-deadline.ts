/**
 * Waits for a promise, but no longer than `ms`. Whatever the promise stands for goes on after that; its outcome then
 * counts no more, and a late rejection is no unhandled one.
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
