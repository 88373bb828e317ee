import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import type { RunFiles } from '../config/run-dir.ts'
import { codeOf } from '../errors.ts'
import { realPath } from '../files/real-path.ts'
import { type ListeningHandle, listeningHandle, listenOn } from '../ipc/socket-handle.ts'

/**
 * The PID lock of releases up to 0.1: a listening socket in the abstract namespace (unix(7)), named after the
 * PID file's path. It is held besides the lock file, so that those releases and this one exclude each other. By
 * itself it proves little: the namespace belongs to a network namespace, and any user may take any name in it.
 */
export class AbstractLock {
  readonly #server: Server

  private constructor(server: Server) {
    // The lock alone must not keep the process alive.
    this.#server = server.unref()
  }

  /** Takes the lock; undefined when the name is taken. */
  static async take(files: Pick<RunFiles, 'pidFile'>): Promise<AbstractLock | undefined> {
    const server = tellingServer()
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(`\0${abstractName(files)}`, resolve)
      })
    } catch (error) {
      if (codeOf(error) === 'EADDRINUSE') return undefined
      throw error
    }
    return new AbstractLock(server)
  }

  /** Keeps holding a lock that another process has passed on; that process may then let go of it. */
  static async adopt(handle: ListeningHandle): Promise<AbstractLock> {
    const server = tellingServer()
    await listenOn(server, handle)
    return new AbstractLock(server)
  }

  /** The handle that passes the lock on to another process; the lock is held as long as one process has it. */
  get handle(): ListeningHandle {
    return listeningHandle(this.#server)
  }

  release(): void {
    this.#server.close()
  }
}

/** Sends this process's PID to every client, since starters of releases up to 0.1 ask for it. */
function tellingServer(): Server {
  return createServer((socket) => {
    socket.on('error', () => {})
    socket.end(`${process.pid}\n`)
  })
}

/** The path is hashed, since an address holds 107 bytes and a path may be longer. */
function abstractName({ pidFile }: Pick<RunFiles, 'pidFile'>): string {
  const path = join(realPath(dirname(pidFile)), basename(pidFile))
  return `helloserver/${createHash('sha256').update(path).digest('hex')}`
}

/** The inode of the socket that has the name in this network namespace, as /proc/PID/fd shows it (proc_net(5)). */
export function abstractLockInode(files: Pick<RunFiles, 'pidFile'>): string | undefined {
  try {
    const name = abstractName(files)
    const line = readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .find((each) => each.includes(` @${name}`))
    return line?.trim().split(/\s+/)[6]
  } catch {
    // Without /proc, it cannot be found.
    return undefined
  }
}
