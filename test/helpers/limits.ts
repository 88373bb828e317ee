import { execFileSync } from 'node:child_process'

/** A user that owns nothing else: what root runs is not held to limits of processes. */
export const ordinaryUid = process.getuid?.() === 0 ? 61_234 : undefined

/** Whether this machine can change the limits of a running process. */
export const canLimit = process.platform === 'linux' && succeeds('prlimit', ['--version'])

type Resource = 'nproc' | 'nofile'

/** Changes a soft limit of a running process of `uid`'s; what it has already stays its own. */
export function limit(pid: number, resource: Resource, soft: number, uid = ordinaryUid): void {
  prlimit(uid, [`--pid=${pid}`, `--${resource}=${soft}:`])
}

/** Takes a soft limit back to the hard one. */
export function unlimit(pid: number, resource: Resource, uid = ordinaryUid): void {
  const hard = ['--noheadings', '--raw', '--output=HARD']
  const most = prlimit(uid, [`--pid=${pid}`, `--${resource}`, ...hard]).trim()
  prlimit(uid, [`--pid=${pid}`, `--${resource}=${most}:`])
}

/** Root itself may not do that to others' processes in every container. */
function prlimit(uid: number | undefined, args: readonly string[]): string {
  const [program = '', ...rest] = [...asUser(uid), 'prlimit', ...args]
  return execFileSync(program, rest, { encoding: 'utf8' })
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
