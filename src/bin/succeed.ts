import { hideRedisUrl, ownEnvironment } from '../config/environment.ts'
import { loadConfig, overridesOf } from '../config/load.ts'
import { ownRoot } from '../config/locate.ts'
import { located } from '../config/project.ts'
import { refuseRestartOnly, restartOnly } from '../config/restart-only.ts'
import { runFiles } from '../config/run-dir.ts'
import {
  codeOf,
  type ErrorCode,
  exitStatus,
  exitStatusOf,
  HelloserverError,
  messageOf,
} from '../errors.ts'
import { joinFleet } from '../lease/open-lease.ts'
import { PidLock } from '../lock/pid-lock.ts'
import { Notifier } from '../systemd/notifier.ts'
import { LogFile } from '../telemetry/log-file.ts'
import { ServiceLog } from '../telemetry/service-log.ts'
import { type Offer, Predecessor } from '../upgrade/predecessor.ts'
import { tidyOnFault } from './fault.ts'
import { Service } from '../service/service.ts'

/**
 * Takes over a service from the primary that started this process, and runs it to its end.
 *
 * Until this process reports that it serves, the predecessor does; if this process fails, the predecessor
 * learns the reason and goes on serving.
 *
 * @returns the exit status
 */
export async function succeed(name: string): Promise<number> {
  process.umask(0o077)
  const predecessor = new Predecessor()
  try {
    // Releases up to 0.1 did not say where the configuration is: it was in the package.
    const environment = located(ownEnvironment(), name, ownRoot)
    hideRedisUrl()
    const files = runFiles(name, environment)
    const inheritance = await Promise.race([predecessor.inheritance, predecessor.orphaned()])
    const logFile = new LogFile(files.logFile)
    logFile.share(predecessor.gone)
    const serviceLog = new ServiceLog(name, logFile)
    const { logger: log } = serviceLog
    const stack = tidyOnFault(log)
    try {
      const config = loadConfig(name, environment)
      serviceLog.apply(config)
      for (const override of overridesOf(config, environment)) log.info(override)
      refuseRestartOnly(inheritance.restartOnly, restartOnly(name, environment, config))
      const membership = await joinFleet(files, environment, config, log, inheritance.instance)
      let lock: PidLock | undefined
      const service: Service = new Service({
        name,
        mode: 'daemon',
        files,
        environment,
        config,
        serviceLog,
        logFile,
        stack,
        // A service under a service manager runs in the foreground, and is never a successor.
        notifier: new Notifier(undefined, log),
        predecessor,
        inheritance,
        membership,
        lock: () => held(lock),
      })
      const takeOver = async (): Promise<Offer> => {
        const offered = await predecessor.takeOver()
        lock = await PidLock.adopt(files, offered.lock)
        stack.push('PID lock', () => lock?.release())
        await service.openControl()
        return { listener: offered.listener, hold: await predecessor.hold() }
      }
      // Everything from the adoption of the listening socket on happens in one turn: no connection is accepted
      // before the end of it.
      const running = service.run(
        () => service.primary.start(takeOver),
        () => {
          if (predecessor.isBridgeExpected) service.control.supervisor.expectNext()
          service.publishControl()
          predecessor.announceServing(service.primary.heritage)
          service.admin.takeOver(() => service.primary.deployer.config)
        },
      )
      await Promise.race([running, predecessor.orphaned()])
      log.info('Ended')
      return exitStatus.done
    } catch (error) {
      log.error({ reason: messageOf(error) }, 'Cannot take the service over')
      stack.releaseAll()
      throw error
    } finally {
      await serviceLog.close()
    }
  } catch (error) {
    await predecessor.announceFailure(messageOf(error), codeOf(error) as ErrorCode | undefined)
    return exitStatusOf(error)
  }
}

function held(lock: PidLock | undefined): PidLock {
  if (lock === undefined) throw new HelloserverError('BOOT_FAILED', 'The lock is not passed on yet')
  return lock
}
