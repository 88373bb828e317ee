import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { HelloserverError } from '../errors.ts'

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
 * The numbers of the `owner` of a Unix socket: `user`, `user:group` or `:group`; undefined for a part that is left out.
 *
 * @throws HelloserverError `BAD_CONFIG` for an unknown user or group
 */
export function ownerIds(owner: string): { uid: number | undefined; gid: number | undefined } {
  const [user = '', group = ''] = owner.split(':')
  return {
    uid: user === '' ? undefined : known(findUser(user)?.uid, 'user', user),
    gid: group === '' ? undefined : known(findGroup(group), 'group', group),
  }
}

function known(id: number | undefined, kind: string, name: string): number {
  if (id !== undefined) return id
  throw new HelloserverError(
    'BAD_CONFIG',
    `The "owner" of a Unix socket in "listen" names "${name}", which is no ${kind} of this host`,
  )
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
