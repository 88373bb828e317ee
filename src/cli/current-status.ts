import type { RunFiles } from '../config/run-dir.ts'
import { HelloserverError } from '../errors.ts'
import { holderOf } from '../lock/holder.ts'
import type { Status } from '../status.ts'
import type { Options } from './options.ts'
import { filesOf, withService } from './with-service.ts'

/** The time limit for the service's answer, in milliseconds. */
const answerMs = 5_000

/**
 * Asks the service for its status. A running service answers at once, and a paused one never does, so the wait is
 * bounded; requests that wait for an outcome have no such limit.
 */
export async function currentStatus(options: Options): Promise<Status> {
  const late = AbortSignal.timeout(answerMs)
  try {
    return await withService(options, (client) => client.request('status', {}), late)
  } catch (error) {
    throw late.aborted ? silent(filesOf(options)) : error
  }
}

function silent(files: RunFiles): HelloserverError {
  const message = `The service does not answer (process ${holderOf(files) ?? 'unknown'}, which may be paused)`
  return new HelloserverError('CONTROL_FAILED', message)
}
