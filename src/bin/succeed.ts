import { ownEnvironment } from '../config/environment.ts'
import { loadConfig } from '../config/load.ts'
import { runFiles } from '../config/run-dir.ts'
import { exitStatus, exitStatusOf, HelloserverError, messageOf } from '../errors.ts'
import { adoptPidLock, type PidLock } from '../primary/pid-lock.ts'
import { Notifier } from '../systemd/notifier.ts'
import { createLogger } from '../telemetry/logger.ts'
import { LogFile } from '../telemetry/log-file.ts'
import { type OfferedListener, Predecessor } from '../upgrade/predecessor.ts'
import { endOnFault, releaseStack } from './fault.ts'
import { Service } from './service.ts'

/**
 * Takes a service over from the primary that started this process, and runs it to its end.
 *
 * Everything that can fail comes before this process accepts its first connection; until then the
 * predecessor serves, and learns the reason.
 *
 * @returns the exit status
 */
export async function succeed(name: string): Promise<number> {
  process.umask(0o077)
  const predecessor = new Predecessor()
  try {
    const environment = ownEnvironment()
    const files = runFiles(name, environment)
    const inheritance = await unlessOrphaned(predecessor, predecessor.inheritance)
    const destination = new LogFile(files.logFile)
    const log = createLogger({ service: name, role: 'primary' }, 'info', destination)
    const stack = releaseStack(log)
    endOnFault(log, stack)
    try {
      const config = loadConfig(name, environment)
      log.level = config.logLevel
      let lock: PidLock | undefined
      const service: Service = new Service({
        name,
        mode: 'daemon',
        files,
        environment,
        config,
        log,
        destination,
        stack,
        // What serves for a service manager is in the foreground, and never a successor.
        notifier: new Notifier(undefined, log),
        predecessor,
        inheritance,
        lock: () => held(lock),
      })
      const takeOver = async (): Promise<OfferedListener> => {
        const offered = await unlessOrphaned(predecessor, predecessor.takeOver())
        lock = await adoptPidLock(offered.lock)
        stack.push('PID lock', () => lock?.release())
        await service.openControl()
        return offered.listener
      }
      // What follows the listening socket is done in the same turn: no connection is accepted before its end.
      await service.run(
        () => service.primary.start(takeOver),
        () => {
          service.publishControl()
          predecessor.announceServing(service.primary.heritage)
        },
      )
      log.info('Ended')
      return exitStatus.done
    } catch (error) {
      stack.releaseAll()
      throw error
    }
  } catch (error) {
    await predecessor.announceFailure(messageOf(error))
    return exitStatusOf(error)
  }
}

/** A service whose primary has died is not there to be taken over. */
function unlessOrphaned<T>(predecessor: Predecessor, step: Promise<T>): Promise<T> {
  const orphaned = predecessor.gone.then(() => {
    throw new HelloserverError('BOOT_FAILED', 'The primary that is to be succeeded has died')
  })
  return Promise.race([step, orphaned])
}

function held(lock: PidLock | undefined): PidLock {
  if (lock === undefined) throw new HelloserverError('BOOT_FAILED', 'The lock is not passed on yet')
  return lock
}
