import { readFileSync } from 'node:fs'

/**
 * The state of a process, or of its first thread, as one letter: `T` for stopped, `Z` for a zombie (proc_pid_stat(5)).
 *
 * @returns undefined when there is no such process, when /proc hides it, or where there is no /proc
 */
export function processState(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // The state follows the name, which is in parentheses and may itself contain some.
    return stat[stat.lastIndexOf(')') + 2]
  } catch {
    return undefined
  }
}
