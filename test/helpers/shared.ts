import { after } from 'node:test'
import { type Cleanup, Cleanups } from './cleanup.ts'

/**
 * A fixture shared by the tests of a `describe` (or of a file), such as a service: started when the first test asks
 * for it, and cleaned up after the last. Starting a service costs more than most tests of it.
 */
export function shared<T>(start: (t: Cleanup) => Promise<T>): () => Promise<T> {
  const cleanups = new Cleanups()
  let started: Promise<T> | undefined
  after(() => cleanups.run())
  return () => (started ??= start(cleanups))
}
