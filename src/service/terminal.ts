import { closeSync, constants, openSync } from 'node:fs'
import { isatty } from 'node:tty'
import { codeOf } from '../errors.ts'

/**
 * Whether a person at a terminal started this process: it has a controlling terminal, and one of its standard
 * streams is a terminal. Under nohup(1) none of them is, since the process is to survive its terminal.
 */
const isOnTerminal = [0, 1, 2].some((descriptor) => isatty(descriptor)) && isThere()

/** Whether the terminal that this process was started from is gone: its window was closed, or its line was cut. */
export function hasHungUp(): boolean {
  return isOnTerminal && !isThere()
}

/** A process whose terminal has hung up has no controlling terminal any more (tty(4), ENXIO). */
function isThere(): boolean {
  try {
    closeSync(openSync('/dev/tty', constants.O_RDWR | constants.O_NOCTTY))
    return true
  } catch (error) {
    return !['ENXIO', 'EIO', 'ENOENT'].includes(codeOf(error) ?? '')
  }
}
