import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** A user of the system, as passwd(5) has it. */
export interface SystemUser {
  readonly name: string
  readonly uid: number
  /** The user's own group. */
  readonly gid: number
}

/** How long the name service may take, in milliseconds. */
const answerWithinMs = 3_000

/** The user of that name or number; undefined when there is none. */
export function findUser(user: string): SystemUser | undefined {
  const [name = '', , uid, gid] = entryOf('passwd', user) ?? []
  return uid === undefined || gid === undefined
    ? undefined
    : { name, uid: Number(uid), gid: Number(gid) }
}

/** The number of the group of that name or number; undefined when there is none. */
export function findGroup(group: string): number | undefined {
  const [, , gid] = entryOf('group', group) ?? []
  return gid === undefined ? undefined : Number(gid)
}

/**
 * An entry of a database of the name service, split at its colons. Node.js cannot look up names, which may come from
 * elsewhere than the files (nsswitch.conf(5)); without the program getent, only the files are read.
 */
function entryOf(database: 'passwd' | 'group', key: string): string[] | undefined {
  return answerOf(database, key)?.trim().split(':')
}

function answerOf(database: 'passwd' | 'group', key: string): string | undefined {
  try {
    return execFileSync('getent', [database, key], {
      encoding: 'utf8',
      timeout: answerWithinMs,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ENOENT') return undefined
    return readFileSync(`/etc/${database}`, 'utf8')
      .split('\n')
      .find((line) => {
        const [name, , id] = line.split(':')
        return name === key || id === key
      })
  }
}
