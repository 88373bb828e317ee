import { createHash } from 'node:crypto'
import { readFileSync, realpathSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { codeOf, HelloserverError } from '../errors.ts'
import { type ListeningHandle, listeningHandle, listenOn } from '../ipc/socket-handle.ts'

/** A held lock. */
export interface PidLock {
  /** What passes the lock to another process: it is held as long as one of them has it. */
  readonly handle: ListeningHandle
  /** Gives the lock up; synchronous, and good to call twice. */
  release(): void
}

/**
 * Takes the lock that makes a process the only primary of its service on this host.
 *
 * On Linux the kernel holds it: a listening socket in the abstract namespace (unix(7)), named after the
 * PID file's real path. It is there exactly as long as its process, so there is no stale lock to clear and
 * no race to win against another starter; and whoever connects is told the holder's PID.
 *
 * @param pidFile - the path that the lock is named after; its folder must exist
 * @throws HelloserverError `ALREADY_RUNNING` with the holder's PID, `BOOT_FAILED` where there is no such namespace
 */
export async function takePidLock(pidFile: string): Promise<PidLock> {
  if (process.platform !== 'linux') {
    throw new HelloserverError(
      'BOOT_FAILED',
      `helloserver needs Linux, whose kernel holds its PID lock; this is ${process.platform}`,
    )
  }
  const address = lockAddress(pidFile)
  const server = lockServer()
  try {
    await listen(server, address)
  } catch (error) {
    if (codeOf(error) !== 'EADDRINUSE') throw error
    const holder = (await askHolder(address)) ?? readPid(pidFile)
    throw new HelloserverError(
      'ALREADY_RUNNING',
      holder === undefined ? 'Already running' : `Already running as process ${holder}`,
      { cause: error },
    )
  }
  return heldBy(server)
}

/** Goes on holding a lock that another process has passed on; it may release its own hold then. */
export async function adoptPidLock(handle: ListeningHandle): Promise<PidLock> {
  const server = lockServer()
  await listenOn(server, handle)
  return heldBy(server)
}

/** Tells whoever connects which process this is. */
function lockServer(): Server {
  return createServer((socket) => {
    socket.on('error', () => {})
    socket.end(`${process.pid}\n`)
  })
}

function heldBy(server: Server): PidLock {
  // The lock alone must not keep the process alive.
  server.unref()
  return { handle: listeningHandle(server), release: () => void server.close() }
}

/** The PID on the file's first line, if there is one. */
export function readPid(pidFile: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(pidFile, 'utf8'), 10)
    return Number.isSafeInteger(pid) && pid > 0 ? pid : undefined
  } catch {
    // No file, no PID.
    return undefined
  }
}

/** The path is hashed, since an address holds 107 bytes and a path may be longer. */
function lockAddress(pidFile: string): string {
  const path = join(realpathSync(dirname(pidFile)), basename(pidFile))
  return `\0helloserver/${createHash('sha256').update(path).digest('hex')}`
}

function listen(server: Server, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(address, resolve)
  })
}

/** A holder that is just starting, on a machine that has much else to do, may take long to answer. */
const answerWithinMs = 10_000

/** Asks the holder who it is; undefined when it is paused or has just ended. */
function askHolder(address: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const socket = connect(address)
    let answer = ''
    socket.setEncoding('latin1')
    socket.setTimeout(answerWithinMs, () => socket.destroy())
    socket.on('data', (chunk: string) => {
      answer += chunk
    })
    socket.on('error', () => socket.destroy())
    socket.on('close', () => resolve(Number.parseInt(answer, 10) || undefined))
  })
}
