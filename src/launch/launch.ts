import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, closeSync, constants } from 'node:fs'
import { constants as system } from 'node:os'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { cleanEnvironment, type Environment } from '../config/environment.ts'
import { makeRunDir, type RunFiles } from '../config/run-dir.ts'
import { debuggerArguments, refuseWaitingDebugger } from '../debugger.ts'
import { HelloserverError } from '../errors.ts'
import { signalTable } from '../lifecycle/signal-table.ts'
import { cannotSpawn, startProcess } from '../start-process.ts'
import { openLog } from '../telemetry/open-log.ts'
import { withFile } from '../file-error.ts'
import { refuseFewOpenFiles } from './least-files.ts'
import { type BootReport, bootReportFd, type Started } from './boot-report.ts'

/** The daemon's program. */
export const primaryModule = fileURLToPath(new URL('../bin/primary.js', import.meta.url))

/**
 * Runs its arguments in the background: the daemon's second fork. It exits, which leaves the daemon to init, when
 * standard input closes; given a line there, it first waits for the daemon's end and exits as that one did.
 */
const fork = '"$0" "$@" & exec 3>&-; if read -r _; then wait "$!"; fi'

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
  for (;;) {
    const end = await launchOnce(files, environment)
    if ('report' in end) return decodeReport(end.report)
    // What is on disk is what it asked for, and what a start reads.
    if (end.signal !== undefined && signalTable[end.signal]?.atBirth === 'start again') continue
    throw wordlessEnd(end.signal, files.logFile)
  }
}

/** What a daemon says of its start, or the signal that ended one that has said nothing. */
type Launched = { readonly report: string } | { readonly signal: NodeJS.Signals | undefined }

async function launchOnce(files: RunFiles, environment: Environment): Promise<Launched> {
  refuseWaitingDebugger()
  refuseFewOpenFiles()
  makeRunDir(files)
  const shell = await spawned(files, environment)
  const ended = once(shell, 'exit')
  // Read only where the daemon has said nothing.
  ended.catch(() => {})
  const report = await text(shell.stdio[bootReportFd] as Readable)
  const { stdin } = shell as { stdin: Writable }
  // It has ended by itself when it could not start anything.
  stdin.on('error', () => {})
  stdin.end(report === '' ? '\n' : '')
  if (report !== '') return { report }
  const [status] = (await ended) as [number | null]
  return { signal: signalOf(status) }
}

/** The signal that ended a process of which a shell tells `status`. */
function signalOf(status: number | null): NodeJS.Signals | undefined {
  const signals = Object.entries(system.signals) as [NodeJS.Signals, number][]
  return signals.find(([, number]) => 128 + number === status)?.[0]
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
  const log = withFile('open the log', logFile, () => openLog(logFile))
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
        stdio: ['pipe', log, log, 'pipe'],
      },
    )
  } finally {
    closeSync(log)
  }
}

function wordlessEnd(signal: NodeJS.Signals | undefined, logFile: string): HelloserverError {
  if (signal === undefined) {
    return new HelloserverError(
      'BOOT_FAILED',
      `The primary died before it could say why; see ${logFile}`,
    )
  }
  const wasStopped = signalTable[signal]?.atBirth === 'was stopped'
  const code = wasStopped ? 'STOPPING' : 'BOOT_FAILED'
  return new HelloserverError(code, `The primary was ended by ${signal} before it served`)
}

function decodeReport(report: string): Started {
  const decoded = JSON.parse(report) as BootReport
  if (decoded.outcome !== 'failed') return decoded
  throw new HelloserverError(decoded.code ?? 'BOOT_FAILED', decoded.message)
}
