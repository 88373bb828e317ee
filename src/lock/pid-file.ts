import { readOwned } from '../trust.ts'
import { pidIn } from './holder.ts'

/** The PID on the file's first line, if there is one. */
export function readPid(pidFile: string): number | undefined {
  try {
    return pidIn(readOwned('PID file', pidFile))
  } catch {
    // No file of ours, no PID.
    return undefined
  }
}
