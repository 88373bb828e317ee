import cluster, { type ClusterSettings, type Worker } from 'node:cluster'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { HelloserverError } from '../errors.ts'
import { startProcess } from '../start-process.ts'

/**
 * Forks a worker process through node:cluster.
 *
 * @param what - the worker's name in messages
 * @param stdio - creates its descriptors; an error here is a failure to start it, too
 * @param onFailure - called once, in a later turn, when there is no process
 */
export function forkWorker(
  what: string,
  stdio: () => NonNullable<ClusterSettings['stdio']>,
  onFailure: (error: HelloserverError) => void,
): Worker | undefined {
  let worker: Worker | undefined
  const fork = () => {
    cluster.setupPrimary({ stdio: stdio(), exec: programNow(cluster.settings.exec ?? '') })
    const forked = cluster.fork()
    // It repeats the errors of its process, which has a listener of its own.
    forked.on('error', () => {})
    // node:cluster forgets a worker when its process exits, but without descriptors there was no process.
    if (forked.process.pid === undefined) delete cluster.workers?.[forked.id]
    worker = forked
    return forked.process
  }
  return startProcess(what, fork, onFailure) === undefined ? undefined : worker
}

/**
 * The worker's program; if a deploy has removed its folder, the same program where the name by which this process
 * was started leads now.
 */
function programNow(program: string): string {
  if (existsSync(program)) return program
  const named = join(dirname(process.argv[1] ?? ''), basename(program))
  if (existsSync(named)) return named
  throw new Error(`${program} does not exist any more; deploy the service again, then reload it`)
}
