import { accessSync, constants, existsSync, lstatSync, mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { codeOf, HelloserverError, messageOf } from '../errors.ts'
import { othersMayWrite, ownUid } from '../trust.ts'
import { ambient, type Environment, variables } from './environment.ts'

/** Where a service keeps what others find it by. */
export interface RunFiles {
  readonly name: string
  readonly runDir: string
  /** Locked by the primary; never removed. */
  readonly lockFile: string
  readonly pidFile: string
  readonly socketFile: string
  readonly logFile: string
  /** How far a supervisor has shown the log. */
  readonly logCursorFile: string
}

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/
/** sun_path of unix(7), less its terminating zero and what a process number takes. */
const maxSocketPathBytes = 99

/**
 * The files of the service called `name`. Creates nothing.
 *
 * @throws HelloserverError `BAD_CONFIG` for a name or a directory that cannot be used.
 */
export function runFiles(name: string, environment: Environment): RunFiles {
  if (!namePattern.test(name)) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `The service name is "${name}"; it must be 1 to 64 letters, digits, ".", "_" or "-", and start with a letter or digit`,
    )
  }
  const runDir = resolve(environment[variables.runDir] ?? defaultRunDir())
  const file = (extension: string) => join(runDir, `${name}.${extension}`)
  const socketFile = file('sock')
  if (Buffer.byteLength(socketFile) > maxSocketPathBytes) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `The control socket's path "${socketFile}" is longer than ${maxSocketPathBytes} bytes; set ${variables.runDir} to a shorter directory`,
    )
  }
  return {
    name,
    runDir,
    lockFile: file('lock'),
    pidFile: file('pid'),
    socketFile,
    logFile: file('log'),
    logCursorFile: file('log.cursor'),
  }
}

/**
 * Creates the run directory, for its owner only, and refuses one that somebody else could plant files in.
 *
 * @throws HelloserverError `BAD_CONFIG` when it cannot be made, or belongs to another user.
 */
export function makeRunDir(files: RunFiles): void {
  const { runDir } = files
  try {
    makeFolder(runDir)
    accessSync(runDir, constants.W_OK | constants.X_OK)
  } catch (error) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `Cannot use the run directory "${runDir}" (${messageOf(error)}); set ${variables.runDir} to one that can be written`,
      { cause: error },
    )
  }
  const found = lstatSync(runDir)
  // Its own mode means nothing, and whoever may write beside it can turn it elsewhere.
  if (found.isSymbolicLink()) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `The run directory "${runDir}" is a symbolic link; set ${variables.runDir} to the directory itself`,
    )
  }
  const { uid, mode } = found
  const self = ownUid()
  if (uid !== self && self !== 0) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `The run directory "${runDir}" belongs to user ${uid}, not to ${self}`,
    )
  }
  // Sticky world-writable directories such as /tmp protect files, not names: anyone could plant one.
  // And whoever shares the group could turn the control socket or the log into something else.
  if ((mode & othersMayWrite) !== 0) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `The run directory "${runDir}" can be written by others; use one of mode 0700, for example "${join(runDir, 'helloserver')}"`,
    )
  }
}

/**
 * Makes a folder and those above it that are missing, one by one: Node's own recursive mkdir never returns
 * where the system says that the parent does not exist although it does, as in /proc.
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    // Another start was faster; whether what it made can be used, the caller looks.
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

function defaultRunDir(): string {
  const system = '/run/helloserver'
  if (isWritable(system) || isWritable('/run')) return system
  const session = ambient('XDG_RUNTIME_DIR')
  if (session !== undefined && isWritable(session)) return join(session, 'helloserver')
  return join(tmpdir(), `helloserver-${ownUid()}`)
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK)
    return true
  } catch {
    // Missing and forbidden are the same answer here: not this one.
    return false
  }
}
