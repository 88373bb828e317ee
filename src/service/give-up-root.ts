import { accessSync, closeSync, constants, fchownSync, fstatSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { variables } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { RunFiles } from '../config/run-dir.ts'
import { bindAhead } from '../connections/bind-ahead.ts'
import { type GivenSocket, isFor } from '../connections/listeners.ts'
import { endpointText } from '../endpoint.ts'
import { HelloserverError } from '../errors.ts'
import type { PidLock } from '../lock/pid-lock.ts'
import { become, type Identity, wantedIdentity } from '../process/privileges.ts'
import type { LogFile } from '../telemetry/log-file.ts'
import type { Logger } from '../telemetry/logger.ts'

/** The first port that any user may listen on (ip(7), ip_unprivileged_port_start). */
const firstFreePort = 1_024

/** A file of this program, for all of them. */
const program = fileURLToPath(import.meta.url)

/** What a start has opened as root. */
export interface OpenedAsRoot {
  readonly files: RunFiles
  readonly config: Config
  /** The sockets that this process was given. */
  readonly inherited: readonly GivenSocket[]
  /** Whether other hosts can keep this one from serving. */
  readonly isContended: boolean
  readonly lock: Pick<PidLock, 'giveTo'>
  readonly logFile: Pick<LogFile, 'giveTo'> | undefined
  readonly log: Logger
}

/**
 * Makes a start that has `user` or `group` configured go on as that user: binds what only root may bind, gives the run
 * directory away, and drops root. No worker was started before, so none has ever had anything of root's.
 *
 * @returns the bound sockets; none when the process stays what it is
 * @throws HelloserverError `BAD_CONFIG`, `BOOT_FAILED`, or as `bindAhead` states
 */
export async function giveUpRoot(opened: OpenedAsRoot): Promise<GivenSocket[]> {
  const { files, config, inherited, isContended, lock, logFile, log } = opened
  const identity = wantedIdentity(config)
  if (identity === undefined) return []
  mustBeNamed(files, identity)
  if (isContended) refuseLowPorts(config)
  const { uid, gid, name } = identity
  const missing = config.listen.filter(({ endpoint }) =>
    inherited.every((one) => !isFor(one, endpoint)),
  )
  const bound = await bindAhead(missing, `${uid}:${gid}`, log)
  giveDirectory(files, identity)
  lock.giveTo(uid, gid)
  logFile?.giveTo(uid, gid)
  become(identity)
  for (const file of [program, config.appModule]) mustBeReadable(file, identity)
  log.info({ user: name ?? uid, uid, gid }, 'Gave up root')
  return bound
}

/** Later commands of root use another user's directory only where it was named. */
function mustBeNamed({ isNamed, runDir }: RunFiles, { name, uid }: Identity): void {
  if (isNamed) return
  throw new HelloserverError(
    'BAD_CONFIG',
    `user is "${name ?? uid}", and the run directory will belong to that user; set ${variables.runDir} to a directory for this service, such as ${runDir}-${name ?? uid}, so that root's commands find it, too`,
  )
}

/** A host that stands by binds its endpoints when it gets the lease, and is not root any more by then. */
function refuseLowPorts({ listen }: Config): void {
  const low = listen.find(({ endpoint }) => (endpoint.port ?? firstFreePort) < firstFreePort)
  if (low === undefined || low.endpoint.port === 0) return
  throw new HelloserverError(
    'BAD_CONFIG',
    `user is set, and ${endpointText(low.endpoint)} can be bound only by root, but a host that stands by binds it when it is not root any more; use a port above ${firstFreePort - 1}, or set lease.mode to "off"`,
  )
}

/** Every worker loads the code as that user. */
function mustBeReadable(file: string, { name, uid }: Identity): void {
  if (may(constants.R_OK, file)) return
  throw new HelloserverError(
    'BAD_CONFIG',
    `user is "${name ?? uid}", and that user may not read ${file}: permission denied at ${obstacleTo(file)}; grant access, or install the code elsewhere, such as below /opt`,
  )
}

/** The folder that keeps this user from a file; or the file itself. */
function obstacleTo(file: string): string {
  const folder = dirname(file)
  return folder === file || may(constants.X_OK, folder) ? file : obstacleTo(folder)
}

function may(access: number, path: string): boolean {
  try {
    accessSync(path, access)
    return true
  } catch {
    // access(2): whatever the reason, this user cannot.
    return false
  }
}

/** The directory, and not what is in it: other services may have files there, and this one's are made later. */
function giveDirectory({ runDir }: RunFiles, { uid, gid, name }: Identity): void {
  const fd = openSync(runDir, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW)
  try {
    const { uid: owner } = fstatSync(fd)
    if (owner !== 0 && owner !== uid) {
      throw new HelloserverError(
        'BAD_CONFIG',
        `The run directory "${runDir}" belongs to user ${owner}, not to ${name ?? uid}; set ${variables.runDir} to another one`,
      )
    }
    fchownSync(fd, uid, gid)
  } finally {
    closeSync(fd)
  }
}
