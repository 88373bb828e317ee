import { readdirSync } from 'node:fs'
import { basename, extname, join } from 'node:path'
import type { RunFiles } from '../config/run-dir.ts'
import { holdsLock, lockFilePid } from './holder.ts'

/** The names of the other services that run from a service's run directory, as far as their processes can be seen. */
export function neighboursOf({ name, runDir, lockFile, pidFile }: RunFiles): string[] {
  const [lock, pid] = [extname(lockFile), extname(pidFile)]
  const runs = (other: string) => {
    const path = (extension: string) => join(runDir, `${other}${extension}`)
    const files = { runDir, lockFile: path(lock), pidFile: path(pid) }
    const holder = lockFilePid(files)
    return holder !== undefined && holdsLock(holder, files)
  }
  return entriesOf(runDir)
    .filter((file) => extname(file) === lock)
    .map((file) => basename(file, lock))
    .filter((other) => other !== name && runs(other))
    .toSorted()
}

function entriesOf(runDir: string): string[] {
  try {
    return readdirSync(runDir)
  } catch {
    // There is none, or it is another user's: nothing is known of services there.
    return []
  }
}
