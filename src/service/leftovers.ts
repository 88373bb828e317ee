import { readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { RunFiles } from '../config/run-dir.ts'
import { readPid } from '../lock/pid-file.ts'
import type { Logger } from '../telemetry/logger.ts'

/**
 * Removes the PID file and the control socket of a process that died. The caller holds the lock, so the process that
 * left them behind is dead.
 */
export function clearLeftovers(files: RunFiles, log: Logger): void {
  const pid = readPid(files.pidFile)
  // Both are created under a temporary name, which ends in the PID.
  const names = new Set([files.pidFile, files.socketFile].map((path) => basename(path)))
  // At its own name, workers of that process may wait for this one.
  const rescueName = basename(files.rescueFile)
  const isLeft = (file: string, name: string) =>
    names.has(name) || (name === rescueName && file !== name)
  const leftovers = readdirSync(files.runDir)
    .filter((file) => isLeft(file, file.replace(/\.\d+$/, '')))
    .map((file) => join(files.runDir, file))
  for (const path of leftovers) rmSync(path, { force: true })
  if (leftovers.length > 0) {
    log.warn(
      { deadPid: pid, cleared: leftovers },
      `Cleared the files that process ${pid ?? '?'} left behind when it died`,
    )
  }
}
