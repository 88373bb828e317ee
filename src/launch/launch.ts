import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, closeSync, constants, openSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment, type Environment } from '../config/environment.ts'
import { makeRunDir, type RunFiles } from '../config/run-dir.ts'
import { debuggerArguments } from '../debugger.ts'
import { HelloserverError } from '../errors.ts'
import { cannotSpawn, startProcess } from '../start-process.ts'
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
 * @throws HelloserverError why it does neither: `ALREADY_RUNNING`, `BAD_CONFIG`, `ADDRESS_TAKEN`, `BOOT_FAILED`, `CANNOT_SPAWN`, …
 */
export async function launch(files: RunFiles, environment: Environment): Promise<Started> {
  makeRunDir(files)
  const shell = await spawned(files, environment)
  const report = await text(shell.stdio[bootReportFd] as Readable)
  return decodeReport(report, files.logFile)
}

/** @throws HelloserverError `CANNOT_SPAWN` */
function spawned(files: RunFiles, environment: Environment): Promise<ChildProcess> {
  return new Promise((resolve, reject) => {
    const what = 'the primary'
    const shell = startProcess(what, () => spawnPrimary(files, environment), reject)
    shell?.on('error', (error) => reject(cannotSpawn(what, error)))
    if (shell !== undefined) resolve(shell)
  })
}

function spawnPrimary({ logFile, name }: RunFiles, environment: Environment): ChildProcess {
  // The shell has nobody to tell but the log that there is no such program.
  accessSync(process.execPath, constants.X_OK)
  const log = openSync(logFile, 'a', 0o600)
  try {
    return spawn(
      '/bin/sh',
      [
        '-c',
        fork,
        process.execPath,
        ...debuggerArguments,
        primaryModule,
        '--daemon',
        '--name',
        name,
      ],
      {
        cwd: '/',
        env: cleanEnvironment(environment),
        detached: true,
        stdio: ['ignore', log, log, 'pipe'],
      },
    )
  } finally {
    closeSync(log)
  }
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
