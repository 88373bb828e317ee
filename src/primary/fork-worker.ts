import cluster, { type ClusterSettings, type Worker } from 'node:cluster'
import type { HelloserverError } from '../errors.ts'
import { startProcess } from '../start-process.ts'

/**
 * Forks a worker process through node:cluster.
 *
 * @param what - the worker, for messages
 * @param stdio - makes the descriptors that it gets; what that throws is a failure to start it, too
 * @param onFailure - called once, in a later turn, when there is no process
 */
export function forkWorker(
  what: string,
  stdio: () => NonNullable<ClusterSettings['stdio']>,
  onFailure: (error: HelloserverError) => void,
): Worker | undefined {
  let worker: Worker | undefined
  const fork = () => {
    cluster.setupPrimary({ stdio: stdio() })
    const forked = cluster.fork()
    // It repeats the errors of its process, which is listened to itself.
    forked.on('error', () => {})
    // node:cluster forgets a worker when its process exits, and without descriptors there was none.
    if (forked.process.pid === undefined) delete cluster.workers?.[forked.id]
    worker = forked
    return forked.process
  }
  return startProcess(what, fork, onFailure) === undefined ? undefined : worker
}
