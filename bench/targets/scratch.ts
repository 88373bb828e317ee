import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processTree } from '../process-table.ts'

/** A folder for one target's run files, removed with its content. */
export interface ScratchFolder {
  path: string
  remove: () => Promise<void>
}

/** The path is short on purpose: that of a Unix domain socket inside may not exceed 107 bytes. */
export async function scratchFolder(): Promise<ScratchFolder> {
  const path = await mkdtemp(join(tmpdir(), 'hs-bench-'))
  return { path, remove: () => rm(path, { recursive: true, force: true }) }
}

/** The daemon named by a PID file and all its descendants; empty when there is no such file. */
export async function daemonTree(pidFile: string): Promise<number[]> {
  let text: string
  try {
    text = await readFile(pidFile, 'utf8')
  } catch {
    return [] // never started, or has already cleaned up
  }
  const pid = Number.parseInt(text, 10)
  return pid > 0 ? processTree(pid) : []
}
