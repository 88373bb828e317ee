import { codeOf } from '../errors.ts'

/**
 * The resident memory of this process, in bytes; undefined without /proc.
 *
 * @throws Error when no file descriptor is left to read it
 */
export function residentMemory(): number | undefined {
  try {
    return process.memoryUsage.rss()
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return undefined
  }
}
