import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { asUser, otherUid } from './other-user.ts'

/** A user that owns nothing else: root is exempt from process limits. */
export const ordinaryUid = process.getuid?.() === 0 ? otherUid : undefined

/** Whether this machine can change the limits of a running process. */
export const canLimit = process.platform === 'linux' && succeeds('prlimit', ['--version'])

type Resource = 'nproc' | 'nofile'

/** Changes a soft limit of a running process; resources that it already uses are not affected. */
export function limit(pid: number, resource: Resource, soft: number): void {
  prlimit(pid, [`--${resource}=${soft}:`])
}

/** Raises a soft limit back to the hard limit. */
export function unlimit(pid: number, resource: Resource): void {
  const most = prlimit(pid, [`--${resource}`, '--noheadings', '--raw', '--output=HARD']).trim()
  prlimit(pid, [`--${resource}=${most}:`])
}

/** Runs as the owner of the process: not every container lets root do this to other users' processes. */
function prlimit(pid: number, args: readonly string[]): string {
  const { uid } = statSync(`/proc/${pid}`)
  const as = uid === process.getuid?.() ? [] : asUser(uid)
  const [program = '', ...rest] = [...as, 'prlimit', `--pid=${pid}`, ...args]
  return execFileSync(program, rest, { encoding: 'utf8' })
}

/** The number of threads in all processes of a user, which is the number that its process limit counts. */
export function tasksOf(uid: number): number {
  const counts = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => {
      try {
        return statSync(`/proc/${pid}`).uid === uid ? readdirSync(`/proc/${pid}/task`).length : 0
      } catch {
        // The process has just ended.
        return 0
      }
    })
  return counts.reduce((sum, count) => sum + count, 0)
}

function succeeds(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
