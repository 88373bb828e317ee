import { constants, fstatSync, readSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { openOwned } from '../files/trust.ts'

const newline = 10

/**
 * Opens a log for appending, and creates it for its owner alone if it is missing.
 *
 * @returns the descriptor, which can also be read from
 * @throws HelloserverError `BAD_CONFIG` like `openOwned`; errors of open(2) unchanged
 */
export function openLog(path: string): number {
  return openOwned('log', path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT)
}

/**
 * The errors for a path that does not lead to a log (yet): nothing, a link, a folder, a socket, another user's file.
 */
const noLog: ReadonlySet<string> = new Set(['ENOENT', 'ENXIO', 'BAD_CONFIG'])

/**
 * Opens a log for reading.
 *
 * @returns the descriptor; undefined if there is no log
 */
export function openForReading(path: string): number | undefined {
  try {
    return openOwned('log', path, constants.O_RDONLY)
  } catch (error) {
    if (noLog.has(codeOf(error) ?? '')) return undefined
    throw error
  }
}

/** Whether a log ends in the middle of a line. */
export function isTorn(fd: number): boolean {
  const { size } = fstatSync(fd)
  const last = Buffer.alloc(1)
  return size > 0 && readSync(fd, last, 0, 1, size - 1) === 1 && last[0] !== newline
}
