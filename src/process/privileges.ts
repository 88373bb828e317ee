import type { Config } from '../config/load.ts'
import { HelloserverError, messageOf } from '../errors.ts'
import { findGroup, findUser, ownerIds } from './system-users.ts'

/** The user and group that a process can become. */
export interface Identity {
  /** Undefined for a number that no user of the system has. */
  readonly name: string | undefined
  readonly uid: number
  readonly gid: number
}

/** The types of Node.js 20 lack it. */
type WithInitgroups = { initgroups?(user: string, extraGroup: number): void }

/**
 * The user and group that a service is to run as; undefined when it stays what it is: nothing is configured, or this
 * process is that user already, as a successor is.
 *
 * @throws HelloserverError `BAD_CONFIG` for an unknown user or group, or when this process may not become another one
 */
export function wantedIdentity({
  user,
  group,
}: Pick<Config, 'user' | 'group'>): Identity | undefined {
  if (user === undefined && group === undefined) return undefined
  const own = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
  const found = user === undefined ? undefined : userOf(user)
  const wanted = {
    name: found?.name,
    uid: found?.uid ?? own.uid,
    gid: group === undefined ? (found?.gid ?? own.gid) : groupOf(group),
  }
  if (wanted.uid === own.uid && wanted.gid === own.gid) return undefined
  if (own.uid === 0) return wanted
  const [key, value] = wanted.uid === own.uid ? ['group', group] : ['user', user]
  throw new HelloserverError(
    'BAD_CONFIG',
    `${key} is "${value}"; only root can become another user, so start the service as root or leave it out`,
  )
}

/**
 * Refuses users and groups that this host does not have, whoever is to start the service.
 *
 * @throws HelloserverError `BAD_CONFIG`
 */
export function mustKnowUsers({
  user,
  group,
  listen,
}: Pick<Config, 'user' | 'group' | 'listen'>): void {
  if (user !== undefined) userOf(user)
  if (group !== undefined) groupOf(group)
  for (const { file } of listen) if (file?.owner !== undefined) ownerIds(file.owner)
}

/**
 * Gives up root for good: from now on this process and all that it starts have the rights of that user, including its
 * supplementary groups, and nothing more.
 *
 * @throws HelloserverError `BOOT_FAILED` where the system does not allow it, as in some containers
 */
export function become({ name, uid, gid }: Identity): void {
  try {
    // The groups first: without root they cannot be changed any more.
    if (name === undefined) process.setgroups?.([gid])
    else (process as WithInitgroups).initgroups?.(name, gid)
    process.setgid?.(gid)
    process.setuid?.(uid)
  } catch (error) {
    throw new HelloserverError(
      'BOOT_FAILED',
      `Cannot become user ${name ?? uid}: ${messageOf(error)}`,
      { cause: error },
    )
  }
}

function userOf(user: string): Identity {
  const found = findUser(user)
  if (found !== undefined) return found
  throw new HelloserverError(
    'BAD_CONFIG',
    `user is "${user}"; it must be a user of this host, by name or number`,
  )
}

function groupOf(group: string): number {
  const gid = findGroup(group)
  if (gid !== undefined) return gid
  throw new HelloserverError(
    'BAD_CONFIG',
    `group is "${group}"; it must be a group of this host, by name or number`,
  )
}
