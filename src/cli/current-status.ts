import type { RunFiles } from '../config/run-dir.ts'
import { HelloserverError } from '../errors.ts'
import { holderOf } from '../lock/holder.ts'
import type { Status } from '../status.ts'
import type { Options } from './options.ts'
import { filesOf, withService } from './with-service.ts'

/** How long a service may take to say how it is, in milliseconds. */
const answerMs = 5_000

/** A service that runs answers at once; one that is paused never does. Longer requests wait for an outcome. */
export async function currentStatus(options: Options): Promise<Status> {
  const late = AbortSignal.timeout(answerMs)
  try {
    return await withService(options, (client) => client.request('status', {}), late)
  } catch (error) {
    throw late.aborted ? silent(filesOf(options)) : error
  }
}

function silent(files: RunFiles): HelloserverError {
  const message = `Does not answer (process ${holderOf(files) ?? 'unknown'}, perhaps paused)`
  return new HelloserverError('CONTROL_FAILED', message)
}
