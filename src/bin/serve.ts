import { readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { hideRedisUrl, ownEnvironment, takeServiceManager } from '../config/environment.ts'
import { loadConfig, overridesOf } from '../config/load.ts'
import { strangeVariables } from '../config/strange-variables.ts'
import { makeRunDir, type RunFiles, runFiles } from '../config/run-dir.ts'
import { debuggerWarning, refuseWaitingDebugger } from '../debugger.ts'
import {
  codeOf,
  type ErrorCode,
  exitStatus,
  exitStatusOf,
  HelloserverError,
  messageOf,
} from '../errors.ts'
import { reportBoot } from '../launch/boot-report.ts'
import { type FleetMembership, joinFleet } from '../lease/open-lease.ts'
import { readPid } from '../lock/pid-file.ts'
import { PidLock } from '../lock/pid-lock.ts'
import { PortTakenError } from '../lock/port-taken.ts'
import { standbyReason } from '../status.ts'
import { type Activation, activation } from '../systemd/activation.ts'
import { Notifier } from '../systemd/notifier.ts'
import { type LogDestination, type Logger, standardOutput } from '../telemetry/logger.ts'
import { LogFile } from '../telemetry/log-file.ts'
import { ServiceLog } from '../telemetry/service-log.ts'
import { versionWarning } from '../versions.ts'
import { visible } from '../visible.ts'
import { tidyOnFault } from './fault.ts'
import { Service } from '../service/service.ts'
import type { Mode } from '../service/service-options.ts'

/**
 * Runs a service from its start to its end: takes the lock, opens the control socket, brings the primary up,
 * acts on signals and commands.
 *
 * @param asJson - whether to print the log as JSON even on a terminal
 * @returns the exit status
 */
export async function serve(name: string, mode: Mode, asJson = false): Promise<number> {
  // Only the owner may access what the service creates, from the first moment.
  process.umask(0o077)
  try {
    refuseWaitingDebugger()
    const environment = ownEnvironment()
    hideRedisUrl()
    const serviceManager = takeServiceManager()
    const files = runFiles(name, environment)
    makeRunDir(files)
    const lock = await PidLock.take(files)
    const logFile = mode === 'daemon' ? new LogFile(files.logFile) : undefined
    const serviceLog = new ServiceLog(name, logFile ?? (await screen(asJson)))
    const { logger: log } = serviceLog
    const stack = tidyOnFault(log)
    stack.push('PID lock', () => lock.release())
    try {
      clearLeftovers(files, log)
      const config = loadConfig(name, environment)
      serviceLog.apply(config)
      for (const strange of strangeVariables()) log.warn(strange)
      const unsupported = versionWarning('node', process.versions.node)
      if (unsupported !== undefined) log.warn(unsupported)
      for (const override of overridesOf(config, environment)) log.info(override)
      const warning = debuggerWarning()
      if (warning !== undefined) log.warn(warning)
      const membership = await joinFleet(files, environment, config, log)
      const given = activation(serviceManager, process.pid)
      refuseToHoldOpen(given, membership)
      const service = new Service({
        name,
        mode,
        files,
        environment,
        config,
        serviceLog,
        logFile,
        stack,
        notifier: new Notifier(serviceManager.NOTIFY_SOCKET, log),
        membership,
        inheritedFd: inheritedFd(given, log),
        lock: () => lock,
      })
      await service.openControl()
      await service.admin.open(() => service.primary.deployer.config)
      service.publishControl()
      await service.run(
        () => service.primary.start(),
        () => announce(mode, service),
      )
      log.info('Ended')
      return exitStatus.done
    } catch (error) {
      stack.releaseAll()
      if (codeOf(error) === 'STOPPING') return endBeforeServing(mode, log)
      log.fatal({ reason: messageOf(error) }, 'The start failed')
      throw runsElsewhere(error, name) ?? error
    } finally {
      await serviceLog.close()
    }
  } catch (error) {
    return fail(mode, name, error)
  }
}

/** A service of that name runs already, from a run directory that this process was not told of. */
function runsElsewhere(error: unknown, name: string): HelloserverError | undefined {
  if (!(error instanceof PortTakenError) || error.holder.name !== name) return undefined
  return new HelloserverError('RUNS_ELSEWHERE', error.message, { cause: error })
}

/** Standard output; on a terminal, formatted for people. */
async function screen(asJson: boolean): Promise<LogDestination> {
  const destination = standardOutput()
  if (asJson || !process.stdout.isTTY) return destination
  const { prettyLine } = await import('../telemetry/pretty.ts')
  const pretty = prettyLine(process.stdout.hasColors())
  return { write: (line) => destination.write(pretty(line)) }
}

/** This process holds the lock, so the process that left these files behind is dead. */
function clearLeftovers(files: RunFiles, log: Logger): void {
  const pid = readPid(files.pidFile)
  // Both are created under a temporary name, which ends in the PID.
  const names = new Set([files.pidFile, files.socketFile].map((path) => basename(path)))
  const leftovers = readdirSync(files.runDir)
    .filter((file) => names.has(file.replace(/\.\d+$/, '')))
    .map((file) => join(files.runDir, file))
  for (const path of leftovers) rmSync(path, { force: true })
  if (leftovers.length > 0) {
    log.warn(
      { deadPid: pid, cleared: leftovers },
      `Cleared what process ${pid ?? '?'} left behind when it died`,
    )
  }
}

/** A service manager's socket is open on every host, so nobody could see which host serves. */
function refuseToHoldOpen({ kind }: Activation, { isContended }: FleetMembership): void {
  if (kind !== 'socket' || !isContended) return
  throw new HelloserverError(
    'BAD_CONFIG',
    'A socket that the service manager listens on is open on hosts that stand by, too; run the service without a socket unit, or set lease.mode to "off"',
  )
}

/** Descriptor of the listening socket that this process was given, if any. */
function inheritedFd(given: Activation, log: Logger): number | undefined {
  if (given.kind === 'not-ours') {
    const { listenPid } = given
    log.warn({ listenPid }, 'Leaving the inherited socket alone: LISTEN_PID is another process')
  }
  return given.kind === 'socket' ? given.fd : undefined
}

function announce(mode: Mode, { primary }: Service): void {
  if (mode !== 'daemon') return
  const status = primary.status(null)
  const { pid } = process
  if (status.state === 'standby')
    reportBoot({ outcome: 'standby', pid, reason: standbyReason(status) })
  else reportBoot({ outcome: 'serving', pid, ...status.listen })
}

/** The service was told to stop during its start: this process has stopped, and reports that to its launcher. */
function endBeforeServing(mode: Mode, log: Logger): number {
  const message = 'The service was told to stop before it served'
  log.info(message)
  if (mode === 'daemon') reportBoot({ outcome: 'failed', code: 'STOPPING', message })
  return exitStatus.done
}

function fail(mode: Mode, name: string, error: unknown): number {
  const message = messageOf(error)
  if (mode === 'daemon')
    reportBoot({ outcome: 'failed', code: codeOf(error) as ErrorCode | undefined, message })
  else process.stderr.write(`${visible(`${name}: ${message}`)}\n`)
  return exitStatusOf(error)
}
