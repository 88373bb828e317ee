/**
 * Lets a handler ignore one of our promises, or await it later: its rejection does not count as unhandled,
 * which would end the worker, so no client can end a worker by leaving.
 */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}
