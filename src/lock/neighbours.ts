import { basename, extname } from 'node:path'
import { filesIn, type RunFiles } from '../config/run-dir.ts'
import { namesIn } from '../files/names-in.ts'
import { holdsLock, lockFilePid } from './holder.ts'

/** The names of the other services that run from a service's run directory, as far as their processes can be seen. */
export function neighboursOf({ name, runDir, lockFile }: RunFiles): string[] {
  const extension = extname(lockFile)
  return namesIn(runDir)
    .filter((file) => extname(file) === extension)
    .map((file) => basename(file, extension))
    .filter((other) => other !== name && runsIn(runDir, other))
    .toSorted()
}

function runsIn(runDir: string, name: string): boolean {
  const files = filesIn(runDir, name)
  const pid = lockFilePid(files)
  return pid !== undefined && holdsLock(pid, files)
}
