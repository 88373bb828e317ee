import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
} from 'node:fs'
import { connect } from 'node:net'
import { dirname } from 'node:path'
import type { SocketFileSettings } from '../config/listen.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import { identityOf } from '../files/file-identity.ts'
import { O_PATH } from '../files/o-path.ts'
import { everybodyMayReplaceIn, ownUid } from '../files/trust.ts'
import { hasNoListener } from '../network/no-listener.ts'
import { ownerIds } from '../process/system-users.ts'
import type { Logger } from '../telemetry/logger.ts'

/** The numbers of a file's owner and group. */
interface Ids {
  readonly uid: number
  readonly gid: number
}

/** A file as it was found; without an identity, others have taken it away before. */
interface OwnFile {
  readonly identity: string | undefined
  /** Whose it was before `owner` was applied; undefined when another process has made the file. */
  readonly former?: Ids
}

/**
 * The file of a Unix socket on which the service listens.
 *
 * The socket is bound under a temporary name and renamed. So its permissions are right from the first moment, the path
 * is never missing while another socket takes it over, and closing the socket, which makes libuv remove the name that
 * it was bound under, does not remove a successor's.
 */
export class SocketFile {
  readonly path: string
  readonly #log: Logger
  /** The file that this process has to keep, and to remove in the end; undefined while there is none. */
  #own: OwnFile | undefined

  constructor(path: string, log: Logger) {
    this.path = path
    this.#log = log
  }

  /** The name under which to bind the socket. */
  get temporaryPath(): string {
    return `${this.path}.${process.pid}`
  }

  /**
   * Makes sure that the socket may take the path: nothing is there, or a socket that nobody listens on any more and
   * that this service, or an earlier run of it, has left.
   *
   * @throws HelloserverError `ADDRESS_TAKEN` when another program listens there, `BAD_CONFIG` for anything else
   */
  async prepare({ owner }: SocketFileSettings): Promise<void> {
    const folder = dirname(this.path)
    if (everybodyMayReplaceIn(folder)) {
      throw this.#refusal(`every user may write to "${folder}"; use another folder`)
    }
    const found = lstatSync(this.path, { throwIfNoEntry: false })
    if (found !== undefined) {
      if (!found.isSocket()) throw this.#refusal('there is a file that is not a socket')
      const owners = [ownUid(), owner === undefined ? undefined : ownerIds(owner).uid]
      if (!owners.includes(found.uid)) {
        throw this.#refusal(
          `the socket there belongs to user ${found.uid}; remove it, or use another path`,
        )
      }
      if (await isListenedOn(this.path)) {
        throw new HelloserverError(
          'ADDRESS_TAKEN',
          `Cannot listen on unix:${this.path}: another program listens there; stop that program, or use another path`,
        )
      }
      this.#log.warn({ path: this.path }, 'Replacing a socket that nobody listens on any more')
    }
    rmSync(this.temporaryPath, { force: true })
  }

  /** Gives the bound socket its permissions, and then its path. */
  publish(settings: SocketFileSettings): void {
    const own = withSocket(this.temporaryPath, (socket) => {
      // Whoever may write to the folder may have put another file there.
      const { uid, gid, nlink } = fstatSync(socket)
      if (uid !== ownUid() || nlink !== 1) {
        throw this.#refusal('another user has replaced the socket; use another folder')
      }
      setPermissions(socket, settings)
      return { identity: identityOf(socket), former: { uid, gid } }
    })
    renameSync(this.temporaryPath, this.path)
    this.#own = own
  }

  /** Whether the path leads to the socket; true while this process does not have to keep it. */
  get isThere(): boolean {
    if (this.#own === undefined) return true
    const { identity } = this.#own
    return identity !== undefined && identityOf(this.path) === identity
  }

  /** Gives the socket at the path other permissions; one that is put back later gets them then. */
  permit(settings: SocketFileSettings): void {
    if (this.#own === undefined || !this.isThere) return
    const { identity, former } = this.#own
    withSocket(this.path, (socket) => {
      if (identityOf(socket) === identity) setPermissions(socket, settings, former)
    })
  }

  /** This process has to keep the file at the path, which another process has bound, and to remove it. */
  own(): void {
    const isSocket = lstatSync(this.path, { throwIfNoEntry: false })?.isSocket() ?? false
    this.#own ??= { identity: isSocket ? identityOf(this.path) : undefined }
  }

  /** Another process has to remove the file from now on. */
  disown(): void {
    this.#own = undefined
  }

  /** Removes the file, if this process has to, and no other file has its path by now. */
  remove(): void {
    if (this.#own !== undefined && this.isThere) removeSocket(this.path)
    this.#own = undefined
  }

  #refusal(problem: string): HelloserverError {
    return new HelloserverError('BAD_CONFIG', `Cannot listen on unix:${this.path}: ${problem}`)
  }
}

/** Removes the file of a socket that is closed. */
export function removeSocket(path: string): void {
  try {
    rmSync(path, { force: true })
  } catch {
    // In a folder of root's, a process that has given up root must leave it; the next start replaces it.
  }
}

/** Whether a program listens on a socket; one whose queue is full does, too. */
async function isListenedOn(path: string): Promise<boolean> {
  const socket = connect(path)
  try {
    await once(socket, 'connect')
    return true
  } catch (error) {
    return !hasNoListener(error)
  } finally {
    socket.destroy()
  }
}

/** A name for exactly the file that a descriptor stands for, whatever its path leads to by now (proc(5)). */
const fdPath = (fd: number) => `/proc/self/fd/${fd}`

/**
 * Gives `use` a descriptor of the socket at a path. No link is followed: in a folder that another user may write to,
 * root would otherwise give away whatever file that user has put there in the meantime.
 */
function withSocket<Result>(path: string, use: (fd: number) => Result): Result {
  const fd = openSync(path, O_PATH | constants.O_NOFOLLOW)
  try {
    if (!fstatSync(fd).isSocket()) {
      throw new HelloserverError('BAD_CONFIG', `"${path}" is no socket any more`)
    }
    return use(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * @param former - whose the file is when there is no `owner`; by default, that stays as it is
 * @throws HelloserverError `BAD_CONFIG` when there is no such user or group, or this process may not give the file to it;
 * `BOOT_FAILED` without /proc
 */
function setPermissions(socket: number, { mode, owner }: SocketFileSettings, former?: Ids): void {
  const current = fstatSync(socket)
  const { uid = current.uid, gid = current.gid } =
    owner === undefined ? (former ?? {}) : ownerIds(owner)
  try {
    if (uid !== current.uid || gid !== current.gid) chownSync(fdPath(socket), uid, gid)
    // After the change of owner, which may clear bits of the mode (chown(2)).
    chmodSync(fdPath(socket), mode)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      throw new HelloserverError(
        'BOOT_FAILED',
        'Cannot set the owner and mode of a Unix socket: that needs /proc, which is not mounted here',
        { cause: error },
      )
    }
    if (codeOf(error) !== 'EPERM') throw error
    throw new HelloserverError(
      'BAD_CONFIG',
      `Cannot give a Unix socket the owner "${owner ?? uid}" and its mode: this user may change only files of its own, and give them only to its own groups; start the service as root, or change "owner"`,
      { cause: error },
    )
  }
}
