import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const program = fileURLToPath(new URL('../../src/bin/cli.js', import.meta.url))

/** A user that owns nothing here. */
export const otherUid = 61_234

/** The command prefix that runs a program as another user, without any groups. */
export function asUser(uid: number): readonly [string, ...string[]] {
  return ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups']
}

/** Why nothing can be tried as another user here; false when it can. */
export function noOtherUser(): string | false {
  if (!succeeds('true')) return 'it takes root to become another user'
  // A clone in root's own folder is for root alone.
  return succeeds('test', '-r', program) ? false : 'other users may not read this clone'
}

function succeeds(...command: readonly string[]): boolean {
  const [setpriv, ...identity] = asUser(otherUid)
  return spawnSync(setpriv, [...identity, ...command], { stdio: 'ignore' }).status === 0
}
