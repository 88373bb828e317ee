import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { accessSync, closeSync, constants } from 'node:fs'
import { constants as system } from 'node:os'
import { isAbsolute } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { ambient, type Environment } from '../config/environment.ts'
import { makeRunDir, type RunFiles } from '../config/run-dir.ts'
import { throughShell } from '../config/shell-environment.ts'
import { HelloserverError } from '../errors.ts'
import { withFile } from '../files/file-error.ts'
import { signalTable } from '../lifecycle/signal-table.ts'
import { debuggerArguments, refuseWaitingDebugger } from '../process/debugger.ts'
import { causesOfSignal, noThreads, onlyChildOf, watchThreads } from '../process/runtime-threads.ts'
import { cannotSpawn, startProcess } from '../process/start-process.ts'
import { openLog } from '../telemetry/open-log.ts'
import { type BootReport, bootReportFd, type Started } from './boot-report.ts'
import { refuseFewOpenFiles } from './least-files.ts'
import { namedPath } from './named-path.ts'

/** The daemon's program: the file itself. */
export const primaryModule = fileURLToPath(new URL('../bin/primary.js', import.meta.url))

/** The daemon's program as a deploy names it: see `namedPath`. */
export function namedPrimary(): string {
  // The program that pm2 was told to run, the one typed in a shell, and the folder in which it was typed.
  return namedPath(primaryModule, [ambient('pm_exec_path'), process.argv[1], ambient('PWD')])
}

/**
 * Runs its arguments in the background: the daemon's second fork. The shell exits when its standard input
 * closes, which leaves the daemon to init; if it reads a line there, it first waits for the daemon's end, and
 * exits with the same status.
 */
const fork = '"$0" "$@" & exec 3>&-; if read -r _; then wait "$!"; fi'

/**
 * Starts the daemon and waits until it serves or stands by.
 *
 * The daemon gets a session of its own and init as its parent, as in daemon(7), so that neither a closing
 * terminal nor a supervisor that ends a process tree reaches it. Its output goes to the service's log file.
 *
 * @returns where it serves, or why it stands by
 * @throws HelloserverError why it does neither: `ALREADY_RUNNING`, `BAD_CONFIG`, `ADDRESS_TAKEN`,
 * `BOOT_FAILED`, `CANNOT_SPAWN`, …
 */
export async function launch(files: RunFiles, environment: Environment): Promise<Started> {
  for (;;) {
    const end = await launchOnce(files, environment)
    if ('report' in end) return decodeReport(end.report)
    // Such a signal asks for what is on disk, which a new start reads.
    if (end.signal !== undefined && signalTable[end.signal]?.atBirth === 'start again') continue
    throw wordlessEnd(end.signal, files.logFile)
  }
}

/** A daemon's report of its start, or the signal that ended one without a report. */
type Launched = { readonly report: string } | { readonly signal: NodeJS.Signals | undefined }

async function launchOnce(files: RunFiles, environment: Environment): Promise<Launched> {
  refuseWaitingDebugger()
  refuseFewOpenFiles()
  makeRunDir(files)
  const shell = await spawned(files, environment)
  const ended = once(shell, 'exit')
  // Awaited only if the daemon has reported nothing.
  ended.catch(() => {})
  const report = await reportOf(shell)
  const { stdin } = shell as { stdin: Writable }
  // The shell has already ended if it could not start anything.
  stdin.on('error', () => {})
  stdin.end(report === '' ? '\n' : '')
  if (report !== '') return { report }
  const [status] = (await ended) as [number | null]
  return { signal: signalOf(status) }
}

/**
 * The daemon's report, or an empty text if it ends without one.
 *
 * @throws HelloserverError `CANNOT_SPAWN` when its runtime cannot begin; it is killed then
 */
async function reportOf(shell: ChildProcess): Promise<string> {
  let lacksThreads = false
  const endWatch = watchThreads(
    () => onlyChildOf(shell.pid ?? 0),
    (primary) => {
      lacksThreads = true
      process.kill(primary, 'SIGKILL')
    },
  )
  const report = await text(shell.stdio[bootReportFd] as Readable)
  endWatch()
  if (lacksThreads) throw noThreads('the primary')
  return report
}

/** The signal that ended a process, from the status that a shell reports. */
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
  // The shell could report a missing program only to the log. Without /proc, Node.js knows only the name by which it was
  // started, which the shell looks up.
  if (isAbsolute(process.execPath)) accessSync(process.execPath, constants.X_OK)
  const log = withFile('open the log', logFile, () => openLog(logFile))
  try {
    return spawn(
      '/bin/sh',
      [
        '-c',
        fork,
        process.execPath,
        ...debuggerArguments,
        namedPrimary(),
        '--daemon',
        '--name',
        name,
      ],
      {
        cwd: '/',
        env: throughShell(environment),
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
      `The primary died before it reported a reason; see ${logFile}`,
    )
  }
  const ended = `${signal} ended the primary before it served`
  if (signalTable[signal]?.atBirth === 'was stopped') return new HelloserverError('STOPPING', ended)
  return new HelloserverError('BOOT_FAILED', `${ended}; ${causesOfSignal(logFile)}`)
}

function decodeReport(report: string): Started {
  const decoded = JSON.parse(report) as BootReport
  if (decoded.outcome !== 'failed') return decoded
  throw new HelloserverError(decoded.code ?? 'BOOT_FAILED', decoded.message)
}
