import { constants, fstatSync, readSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { openOwned } from '../trust.ts'

const newline = 10

/**
 * Opens a log to append to it, and creates it for its owner alone when it is missing.
 *
 * @returns the descriptor, which can also be read from
 * @throws HelloserverError `BAD_CONFIG` as `openOwned` does; errors of open(2) as they are
 */
export function openLog(path: string): number {
  return openOwned('log', path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT)
}

/** What a path leads to where no log is, or not yet: nothing, a link, a folder, a socket, somebody else's file. */
const noLog: ReadonlySet<string> = new Set(['ENOENT', 'ENXIO', 'BAD_CONFIG'])

/**
 * Opens a log to read it.
 *
 * @returns the descriptor; undefined where none is
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
