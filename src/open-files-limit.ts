/**
 * RLIMIT_NOFILE out of what the kernel says in `/proc/PID/limits` (proc_pid_limits(5)): how many files the process may
 * have open. Infinite where that is not said, or unlimited.
 */
export function openFilesLimitIn(limits: string): number {
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? Number.POSITIVE_INFINITY)
}
