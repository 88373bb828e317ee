import { hideRedisUrl, ownEnvironment, takeServiceManager } from '../config/environment.ts'
import { loadConfig, overridesOf } from '../config/load.ts'
import { makeRunDir, runFiles } from '../config/run-dir.ts'
import { unknownVariables } from '../config/unknown-variables.ts'
import type { GivenSocket } from '../connections/listeners.ts'
import { codeOf, type ErrorCode, exitStatus, exitStatusOf, messageOf } from '../errors.ts'
import { reportBoot } from '../launch/boot-report.ts'
import { PidLock } from '../lock/pid-lock.ts'
import { runsElsewhere } from '../lock/port-taken.ts'
import { joinFleet } from '../membership/membership.ts'
import { debuggerWarning, refuseWaitingDebugger } from '../process/debugger.ts'
import { type Rescued, rescue } from '../rescue/rescue.ts'
import { giveUpRoot } from '../service/give-up-root.ts'
import { clearLeftovers } from '../service/leftovers.ts'
import { Service } from '../service/service.ts'
import type { Mode } from '../service/service-options.ts'
import { standbyReason } from '../status.ts'
import { activation, inheritedSockets } from '../systemd/activation.ts'
import { Notifier } from '../systemd/notifier.ts'
import { foregroundLog } from '../telemetry/foreground-log.ts'
import { LogFile } from '../telemetry/log-file.ts'
import type { Logger } from '../telemetry/logger.ts'
import { ServiceLog } from '../telemetry/service-log.ts'
import { readKeys } from '../tls/keyring.ts'
import { versionWarning } from '../versions.ts'
import { visible } from '../visible-text.ts'
import { actOnSignals } from './act-on-signals.ts'
import { tidyOnFault } from './fault.ts'

/**
 * Takes the lock, and runs a service from its start to its end.
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
    const serviceLog = new ServiceLog(name, logFile ?? (await foregroundLog(asJson)))
    const { logger: log } = serviceLog
    const stack = tidyOnFault(log)
    stack.push('PID lock', () => lock.release())
    try {
      clearLeftovers(files, log)
      const config = loadConfig(name, environment)
      serviceLog.apply(config)
      for (const unknown of unknownVariables()) log.warn(unknown)
      const unsupported = versionWarning('node', process.versions.node)
      if (unsupported !== undefined) log.warn(unsupported)
      for (const override of overridesOf(config, environment)) log.info(override)
      const warning = debuggerWarning()
      if (warning !== undefined) log.warn(warning)
      const rescued = await rescue(files, environment, config, log)
      const instance = rescued?.notes.instance
      const membership = await joinFleet(files, environment, config, log, instance)
      const given = activation(serviceManager, process.pid)
      const inherited = inheritedSockets(given, config.listen, membership.isContended, log)
      // The keys may be root's.
      const { keyring, warnings } = readKeys(config.listen)
      for (const untimely of warnings) log.warn(untimely)
      const held = await giveUpRoot({
        files,
        config,
        inherited: [...inherited, ...passedBy(rescued)],
        isContended: membership.isContended,
        lock,
        logFile,
        log,
      })
      const service = new Service({
        files,
        mode,
        environment,
        config,
        serviceLog,
        logFile,
        stack,
        notifier: new Notifier(serviceManager.NOTIFY_SOCKET, log),
        membership,
        origin: { kind: 'start', lock, inherited: [...inherited, ...held], rescued, keyring },
      })
      actOnSignals(service)
      await service.start()
      if (mode === 'daemon') announce(service)
      await service.ended()
      log.info('Ended')
      return exitStatus.done
    } catch (error) {
      stack.releaseAll()
      if (codeOf(error) === 'STOPPING') return endBeforeServing(mode, log)
      log.fatal({ code: codeOf(error), reason: messageOf(error) }, 'The start failed')
      throw runsElsewhere(error, name) ?? error
    } finally {
      await serviceLog.close()
    }
  } catch (error) {
    return fail(mode, name, error)
  }
}

function passedBy(rescued: Rescued | undefined): GivenSocket[] {
  return rescued?.listeners.map((bound) => ({ kind: 'passed', bound })) ?? []
}

/** Reports to the launcher that the service has started. */
function announce(service: Service): void {
  const status = service.status()
  const { pid } = process
  if (status.state === 'standby')
    reportBoot({ outcome: 'standby', pid, reason: standbyReason(status) })
  else {
    const { listen, endpoints = [] } = status
    reportBoot({ outcome: 'serving', pid, ...listen, endpoints })
  }
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
