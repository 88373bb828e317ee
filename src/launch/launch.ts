import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment, type Environment } from '../config/environment.ts'
import { makeRunDir, type RunFiles } from '../config/run-dir.ts'
import { HelloserverError } from '../errors.ts'
import { type BootReport, bootReportFd, type Started } from './boot-report.ts'

/** The daemon's program. */
export const primaryModule = fileURLToPath(new URL('../bin/primary.js', import.meta.url))

/** Runs its arguments in the background and exits, which leaves them to init: the daemon's second fork. */
const fork = '"$0" "$@" &'

/**
 * Starts the daemon and waits until it serves, or stands by.
 *
 * The daemon gets a session of its own and init for a parent, as daemon(7) has it, so that neither a
 * terminal that closes nor a supervisor that ends a process tree reaches it. Its output goes to the
 * service's log file.
 *
 * @returns where it serves, or why it stands by
 * @throws HelloserverError why it does neither: `ALREADY_RUNNING`, `BAD_CONFIG`, `ADDRESS_TAKEN`, `BOOT_FAILED`, …
 */
export async function launch(files: RunFiles, environment: Environment): Promise<Started> {
  makeRunDir(files)
  const log = openSync(files.logFile, 'a', 0o600)
  const stdio = ['ignore', log, log, 'pipe'] as const
  const shell = spawn(
    '/bin/sh',
    ['-c', fork, process.execPath, primaryModule, '--daemon', '--name', files.name],
    { cwd: '/', env: cleanEnvironment(environment), detached: true, stdio: [...stdio] },
  )
  closeSync(log)
  const failed = new Promise<never>((_, reject) => shell.once('error', reject))
  const report = await Promise.race([text(shell.stdio[bootReportFd] as Readable), failed])
  return decodeReport(report, files.logFile)
}

function decodeReport(report: string, logFile: string): Started {
  if (report === '') {
    throw new HelloserverError(
      'BOOT_FAILED',
      `The primary died before it could say why; see ${logFile}`,
    )
  }
  const decoded = JSON.parse(report) as BootReport
  if (decoded.outcome !== 'failed') return decoded
  throw new HelloserverError(decoded.code ?? 'BOOT_FAILED', decoded.message)
}
