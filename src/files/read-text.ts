import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'

/** Configurations, tokens and chains of certificates have some kilobytes; a list of authorities, some hundred. */
const mostBytes = 4_194_304

/** The text of a file, read as `readRegularFile` does. */
export function readText(path: string): string {
  return readRegularFile(path).toString('utf8')
}

/**
 * The content of a file that others put in its place. A primary reads such files while it serves, and can do nothing
 * else meanwhile: so this neither waits for the other end of a FIFO nor reads a device without end.
 *
 * @throws Error for anything but a regular file, and for one that is too long; errors of open(2) and read(2) unchanged
 */
export function readRegularFile(path: string): Buffer {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const stats = fstatSync(fd)
    // To read a directory fails with the system's own error.
    if (!stats.isFile() && !stats.isDirectory()) throw new Error('it is not a regular file')
    if (stats.size > mostBytes) throw new Error(`it is longer than ${mostBytes} bytes`)
    return readFileSync(fd)
  } finally {
    closeSync(fd)
  }
}
