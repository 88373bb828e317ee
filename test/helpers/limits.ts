import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'

/** A user that owns nothing else: what root runs is not held to limits of processes. */
export const ordinaryUid = process.getuid?.() === 0 ? 61_234 : undefined

/** Whether this machine can change the limits of a running process. */
export const canLimit = process.platform === 'linux' && succeeds('prlimit', ['--version'])

type Resource = 'nproc' | 'nofile'

/** Changes a soft limit of a running process; what it has already stays its own. */
export function limit(pid: number, resource: Resource, soft: number): void {
  prlimit(pid, [`--${resource}=${soft}:`])
}

/** Takes a soft limit back to the hard one. */
export function unlimit(pid: number, resource: Resource): void {
  const most = prlimit(pid, [`--${resource}`, '--noheadings', '--raw', '--output=HARD']).trim()
  prlimit(pid, [`--${resource}=${most}:`])
}

/** As the user that owns the process: not in every container may root do that to others' processes. */
function prlimit(pid: number, args: readonly string[]): string {
  const { uid } = statSync(`/proc/${pid}`)
  const as = uid === process.getuid?.() ? [] : asUser(uid)
  const [program = '', ...rest] = [...as, 'prlimit', `--pid=${pid}`, ...args]
  return execFileSync(program, rest, { encoding: 'utf8' })
}

/** How many threads the processes of a user have: what its limit of processes counts. */
export function tasksOf(uid: number): number {
  const counts = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((pid) => {
      try {
        return statSync(`/proc/${pid}`).uid === uid ? readdirSync(`/proc/${pid}/task`).length : 0
      } catch {
        // It has just ended.
        return 0
      }
    })
  return counts.reduce((sum, count) => sum + count, 0)
}

/** What runs a program as another user. */
export function asUser(uid: number | undefined): string[] {
  if (uid === undefined) return []
  return ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
}

function succeeds(program: string, args: readonly string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
