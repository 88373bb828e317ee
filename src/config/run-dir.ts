import { accessSync, constants, existsSync, lstatSync, mkdirSync, opendirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { codeOf, HelloserverError } from '../errors.ts'
import { fileError } from '../files/file-error.ts'
import { mustBeOwnDirectory, ownUid } from '../files/trust.ts'
import { holderOf } from '../lock/holder.ts'
import { ambient, type Environment, variables } from './environment.ts'
import { mustBeName } from './service-name.ts'

/** The files by which others find a service. */
export interface RunFiles {
  readonly name: string
  readonly runDir: string
  /** Whether the run directory was named for this service; otherwise it is the default. */
  readonly isNamed: boolean
  /** Locked by the primary; never removed. */
  readonly lockFile: string
  readonly pidFile: string
  readonly socketFile: string
  /** The Unix socket at which the workers of a primary that was killed wait for the next one. */
  readonly rescueFile: string
  readonly logFile: string
  /** How far a supervisor has shown the log. */
  readonly logCursorFile: string
}

/** The size of sun_path in unix(7), less its terminating zero and the length of a PID. */
const maxSocketPathBytes = 99

/**
 * The files of the service called `name`. Creates nothing.
 *
 * @throws HelloserverError `BAD_CONFIG` for an unusable name or directory.
 */
export function runFiles(name: string, environment: Environment): RunFiles {
  mustBeName(name)
  const named = environment[variables.runDir]
  const runDir = named === undefined ? defaultRunDir(name) : resolve(named)
  const { socketFile } = filesIn(runDir, name)
  if (Buffer.byteLength(socketFile) > maxSocketPathBytes) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `The control socket's path "${socketFile}" is longer than ${maxSocketPathBytes} bytes; set ${variables.runDir} to a shorter directory`,
    )
  }
  return { ...filesIn(runDir, name), isNamed: named !== undefined }
}

/**
 * Creates the run directory, for its owner only, and refuses one in which another user could plant files.
 *
 * @throws HelloserverError `BAD_CONFIG` when it cannot be created, or belongs to another user.
 */
export function makeRunDir(files: RunFiles): void {
  const { runDir } = files
  try {
    makeFolder(runDir)
    // First, since a file here also lacks search permission, which would be reported instead.
    opendirSync(runDir).closeSync()
    accessSync(runDir, constants.W_OK | constants.X_OK)
  } catch (error) {
    // A foreign owner explains more than a missing permission.
    if (codeOf(error) === 'EACCES') checkRunDir(files)
    const { message } = fileError('BAD_CONFIG', 'use the run directory', runDir, error)
    throw new HelloserverError(
      'BAD_CONFIG',
      `${message}; set ${variables.runDir} to another directory`,
      {
        cause: error,
      },
    )
  }
  checkRunDir(files)
}

/**
 * Refuses a run directory that belongs to another user, or in which others could plant files. Call it before
 * reading, writing or connecting to anything there. A missing directory is no danger.
 *
 * @throws HelloserverError `BAD_CONFIG`
 */
export function checkRunDir({ runDir, isNamed }: Pick<RunFiles, 'runDir' | 'isNamed'>): void {
  try {
    mustBeOwnDirectory('run directory', runDir, isNamed)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return
    const problem =
      error instanceof HelloserverError
        ? error
        : fileError('BAD_CONFIG', 'use the run directory', runDir, error)
    throw new HelloserverError(
      'BAD_CONFIG',
      `${problem.message}; set ${variables.runDir} to a directory of your own, of mode 0700${isNamed || ownUid() !== 0 ? '' : `, or to "${runDir}" to use it anyway`}`,
      { cause: error },
    )
  }
}

/**
 * Creates a folder and its missing ancestors, one by one: Node's own recursive mkdir never returns where the
 * system reports that the parent does not exist although it does, as in /proc.
 */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return
  makeFolder(dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    // Another start was faster; the caller checks whether its folder can be used.
    if (codeOf(error) !== 'EEXIST') throw error
  }
}

const systemRunDir = '/run/helloserver'

/**
 * The run directory when none is named. It depends on the user alone, never on the environment: commands from a
 * boot unit, cron, SSH or `su` must find the same service.
 *
 * The directories under /run/user and `$XDG_RUNTIME_DIR` are only searched, for a service that already lives
 * there (releases up to 0.1 put it there): they appear with a login and disappear with it.
 */
function defaultRunDir(name: string): string {
  const uid = ownUid()
  const temporary = `/tmp/helloserver-${uid}`
  const fresh = isSystemRunDirFor(uid) ? systemRunDir : temporary
  const session = ambient('XDG_RUNTIME_DIR')
  const searched = [
    systemRunDir,
    temporary,
    `/run/user/${uid}/helloserver`,
    ...(session === undefined ? [] : [join(session, 'helloserver')]),
    join(tmpdir(), `helloserver-${uid}`),
  ]
  const elsewhere = [...new Set(searched)].filter((each) => each !== fresh && hasTraces(each, name))
  if (elsewhere.length === 0) return fresh
  const inhabited = [fresh, ...elsewhere].find(
    (each) => holderOf(filesIn(each, name)) !== undefined,
  )
  return inhabited ?? fresh
}

/** Whether this user may use it: tmpfiles.d or a service manager has prepared it, or root can still create it. */
function isSystemRunDirFor(uid: number): boolean {
  const found = lstatSync(systemRunDir, { throwIfNoEntry: false })
  if (found === undefined) return uid === 0 && isWritable('/run')
  return uid === 0 || (found.uid === uid && found.isDirectory() && isWritable(systemRunDir))
}

/** Whether a service of that name has used a directory that belongs to this user. */
function hasTraces(runDir: string, name: string): boolean {
  try {
    mustBeOwnDirectory('run directory', runDir, false)
  } catch {
    // Missing, or a stranger's: no service of this user is there.
    return false
  }
  const { lockFile, pidFile, socketFile } = filesIn(runDir, name)
  return [lockFile, pidFile, socketFile].some((path) => existsSync(path))
}

/** The files of a service in a run directory, which need not exist. */
export function filesIn(runDir: string, name: string): Omit<RunFiles, 'isNamed'> {
  const file = (extension: string) => join(runDir, `${name}.${extension}`)
  return {
    name,
    runDir,
    lockFile: file('lock'),
    pidFile: file('pid'),
    socketFile: file('sock'),
    // No longer than the control socket's name, which is checked.
    rescueFile: file('next'),
    logFile: file('log'),
    logCursorFile: file('log.cursor'),
  }
}

function isWritable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK)
    return true
  } catch {
    // Missing or forbidden: either way, this directory cannot be used.
    return false
  }
}
