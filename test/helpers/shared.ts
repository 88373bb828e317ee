import { after } from 'node:test'
import { type Cleanup, Cleanups } from './cleanup.ts'

/**
 * What the tests of a `describe` (or of a file) have in common, such as a service: started when the first of them asks
 * for it, tidied up after the last. A start costs more than most of what is tested of a service.
 */
export function shared<T>(start: (t: Cleanup) => Promise<T>): () => Promise<T> {
  const cleanups = new Cleanups()
  let started: Promise<T> | undefined
  after(() => cleanups.run())
  return () => (started ??= start(cleanups))
}
