import { closeSync, constants, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { codeOf } from '../errors.ts'

/**
 * Whether a person at a terminal started this process: it has a controlling terminal, and one of its standard streams is
 * a terminal. None is for what nohup(1) starts, which is to go on without.
 */
const isOnTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor)) && isThere()

/** Whether the terminal that this process was started from is gone: somebody closed its window, or the line is cut. */
export function hasHungUp(): boolean {
  return isOnTerminal && !isThere()
}

/** Once it has hung up, a process has no controlling terminal any more (tty(4), ENXIO). */
function isThere(): boolean {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDWR | constants.O_NOCTTY))
    return true
  } catch (error) {
    return !['ENXIO', 'EIO', 'ENOENT'].includes(codeOf(error) ?? '')
  }
}
