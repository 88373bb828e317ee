import { HelloserverError } from '../errors.ts'
import { openFilesLimit } from '../process/open-files-limit.ts'

/** How many files a primary or a worker has open at once while it loads its code, and some to work with. */
const leastOpenFiles = 128

/**
 * Refuses a limit of open files under which no process of a service could even load its code: Node.js opens
 * many files of a program at once. Call it before that code is loaded.
 *
 * @throws HelloserverError `BAD_CONFIG`
 */
export function refuseFewOpenFiles(limit = openFilesLimit()): void {
  if (limit >= leastOpenFiles) return
  throw new HelloserverError(
    'BAD_CONFIG',
    `The limit of open files is ${limit}, and helloserver needs at least ${leastOpenFiles}; raise "ulimit -n" (LimitNOFILE= in a systemd unit)`,
  )
}
