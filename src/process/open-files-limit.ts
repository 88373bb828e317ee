import { readFileSync } from 'node:fs'

/**
 * RLIMIT_NOFILE from the kernel's text in `/proc/PID/limits` (proc_pid_limits(5)): how many files the process
 * may have open. Infinite if the text does not say, or says unlimited.
 */
export function openFilesLimitIn(limits: string): number {
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
}

/** RLIMIT_NOFILE of this process, which its children inherit; infinite where it cannot be read. */
export function openFilesLimit(): number {
  try {
    return openFilesLimitIn(readFileSync('/proc/self/limits', 'utf8'))
  } catch {
    // Not Linux.
    return Number.POSITIVE_INFINITY
  }
}
