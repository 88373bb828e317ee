import { readdirSync, readFileSync } from 'node:fs'
import { ambient } from '../config/environment.ts'
import { HelloserverError } from '../errors.ts'
import { processState } from './process-state.ts'
import { processLimitHint } from './start-process.ts'

/** Without them, Node.js runs no code: the first one, the timers', and V8's four (node(1), `--v8-pool-size`). */
const leastThreads = 6
const lookEveryMs = 250
/** So often in a row it must be seen to sleep: one that only has no processor does not. */
const looks = 8

/**
 * Watches a new Node.js process near the limit of processes, which also counts threads. A runtime that gets no
 * thread aborts, and one that gets too few waits for them for ever, before it has run any code.
 *
 * @param find - finds the process; undefined while there is none
 * @param onHang - called once, if it waits
 * @returns ends the watch; it also ends when the process has its threads, or has ended
 */
export function watchThreads(
  find: () => number | undefined,
  onHang: (pid: number) => void,
): () => void {
  // With another number, nobody knows how many are too few.
  if (/v8[-_]pool[-_]size/.test(`${process.execArgv.join(' ')} ${ambient('NODE_OPTIONS') ?? ''}`)) {
    return () => {}
  }
  let seen = 0
  const timer = setInterval(() => {
    const pid = find()
    if (pid === undefined) return
    const threads = threadsOf(pid)
    if (threads === undefined || threads >= leastThreads) {
      clearInterval(timer)
      return
    }
    seen = threads > 1 && processState(pid) === 'S' ? seen + 1 : 0
    if (seen < looks) return
    clearInterval(timer)
    onHang(pid)
  }, lookEveryMs).unref()
  return () => clearInterval(timer)
}

/** @param what - the process in words: "worker 1" */
export function noThreads(what: string): HelloserverError {
  return new HelloserverError(
    'CANNOT_SPAWN',
    `Cannot start ${what}: its runtime got no threads: ${processLimitHint}`,
  )
}

/** Where to look when a signal has ended a process: the runtime also aborts without memory or threads, and then it prints that at most. */
export function causesOfSignal(logFile: string): string {
  return `see ${logFile}, and the limits of memory and processes`
}

/** The number of its threads; undefined when it has ended, and where there is no /proc. */
function threadsOf(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/task`).length
  } catch {
    return undefined
  }
}

/** The only child of a process; undefined when it has none, or where the kernel does not tell (proc_pid_children(5)). */
export function onlyChildOf(pid: number): number | undefined {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim()
    return /^\d+$/.test(children) ? Number(children) : undefined
  } catch {
    return undefined
  }
}
