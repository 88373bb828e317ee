/** A promise and the function that resolves it; later calls change nothing. */
export interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
}

/** Makes a promise that somebody else resolves (Promise.withResolvers, which Node 20 does not have). */
export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
