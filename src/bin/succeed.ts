import { hideRedisUrl, ownEnvironment } from '../config/environment.ts'
import { loadConfig, overridesOf } from '../config/load.ts'
import { ownRoot } from '../config/locate.ts'
import { located } from '../config/project.ts'
import { refuseRestartOnly, restartOnly } from '../config/restart-only.ts'
import { runFiles } from '../config/run-dir.ts'
import { codeOf, type ErrorCode, exitStatus, exitStatusOf, messageOf } from '../errors.ts'
import { joinFleet } from '../membership/membership.ts'
import { Service } from '../service/service.ts'
import { Notifier } from '../systemd/notifier.ts'
import { LogFile } from '../telemetry/log-file.ts'
import { ServiceLog } from '../telemetry/service-log.ts'
import { Predecessor } from '../upgrade/predecessor.ts'
import { actOnSignals } from './act-on-signals.ts'
import { tidyOnFault } from './fault.ts'

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
    const state = await Promise.race([predecessor.state, predecessor.orphaned()])
    const logFile = new LogFile(files.logFile)
    logFile.share(predecessor.gone)
    const serviceLog = new ServiceLog(name, logFile)
    const { logger: log } = serviceLog
    const stack = tidyOnFault(log)
    try {
      const config = loadConfig(name, environment)
      serviceLog.apply(config)
      for (const override of overridesOf(config, environment)) log.info(override)
      refuseRestartOnly(state.restartOnly, restartOnly(name, environment, config))
      const service = new Service({
        files,
        mode: 'daemon',
        environment,
        config,
        serviceLog,
        logFile,
        stack,
        // A service under a service manager runs in the foreground, and is never a successor.
        notifier: new Notifier(undefined, log),
        membership: await joinFleet(files, environment, config, log, state.instance),
        origin: { kind: 'upgrade', predecessor, state },
      })
      actOnSignals(service)
      await Promise.race([service.start(), predecessor.orphaned()])
      await service.ended()
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
