import type { ChildProcess } from 'node:child_process'
import { codeOf, HelloserverError, messageOf } from '../errors.ts'

/**
 * Starts a process, and reports a failure to do so in one way.
 *
 * Node.js has two ways: `spawn` throws some errors (ENOMEM, E2BIG), and emits others (EAGAIN, ENOENT, EACCES,
 * EMFILE) on a child that never came into being; without a listener, these end the calling process. So every
 * process that is started while the service serves is started through here.
 *
 * @param what - the process in words, for the message: "a worker"
 * @param start - starts it by `spawn` or `fork`
 * @param onFailure - called once, in a later turn, with a `CANNOT_SPAWN` that says why there is no process
 * @returns the process, or undefined when there is none
 */
export function startProcess(
  what: string,
  start: () => ChildProcess,
  onFailure: (error: HelloserverError) => void,
): ChildProcess | undefined {
  try {
    const child = start()
    if (child.pid !== undefined) return child
    child.once('error', (error) => onFailure(cannotSpawn(what, error)))
  } catch (error) {
    setImmediate(() => onFailure(cannotSpawn(what, error)))
  }
  return undefined
}

/** The failure to start a process, in words that name the exhausted resource. */
export function cannotSpawn(what: string, error: unknown): HelloserverError {
  const hint = shortages[codeOf(error) ?? ''] ?? (isOfSpawn(error) && programs[codeOf(error) ?? ''])
  const reason = hint ? `${messageOf(error)}: ${hint}` : messageOf(error)
  return new HelloserverError('CANNOT_SPAWN', `Cannot start ${what}: ${reason}`, { cause: error })
}

/** The settings of the limit of processes: setrlimit(2), systemd.resource-control(5), a container. */
export const processLimitHint =
  'the limit of processes and threads is reached; raise "ulimit -u", TasksMax or pids.max'

const shortages: Readonly<Record<string, string>> = {
  EAGAIN: processLimitHint,
  ENOMEM: 'the system has no memory left for another process',
  EMFILE: 'no file descriptor is left; raise "ulimit -n"',
  ENFILE: 'the system has no file descriptor left; raise fs.file-max',
}

/** Errors of the program itself, and not of a file passed to it. */
const programs: Readonly<Record<string, string>> = {
  ENOENT: 'the program does not exist',
  EACCES: 'this user may not execute the program',
}

function isOfSpawn(error: unknown): boolean {
  return error instanceof Error && 'syscall' in error && String(error.syscall).startsWith('spawn')
}
