import { codeOf, type ErrorCode, HelloserverError, messageOf } from '../errors.ts'

/** The problem with a file, and its remedy, by the system's code (errno(3)). */
const remedies: Readonly<Record<string, string>> = {
  EACCES: 'permission denied; grant this user access, or run as the owner',
  EPERM: 'permission denied; grant this user access, or run as the owner',
  ENOENT: 'it does not exist',
  ENOTDIR: 'a part of the path is not a directory',
  EISDIR: 'it is a directory, and must be a file',
  EEXIST: 'something else is there already',
  ENAMETOOLONG: 'the path is too long; use a shorter one',
  ELOOP: 'it is a symbolic link, or its links form a loop',
  EROFS: 'the file system is read-only; use another one',
  ENOSPC: 'no space is left on the file system; make room there, or use another one',
  EDQUOT: "this user's quota of the file system is used up; make room there, or use another one",
  EMFILE: 'too many files are open; raise "ulimit -n"',
  ENFILE: 'too many files are open on this host; raise fs.file-max',
}

/**
 * An error that names the file, as the system's errors do not always.
 *
 * @param action - the action that failed, such as `write the PID file`
 */
export function fileError(
  code: ErrorCode,
  action: string,
  path: string,
  error: unknown,
): HelloserverError {
  const errno = codeOf(error)
  const remedy = errno === undefined ? undefined : remedies[errno]
  const why = remedy === undefined ? messageOf(error) : `${remedy} (${errno})`
  return new HelloserverError(code, `Cannot ${action} ${path}: ${why}`, { cause: error })
}

/** Performs an action on a file. @throws HelloserverError `BOOT_FAILED`, naming the file */
export function withFile<T>(action: string, path: string, act: () => T): T {
  try {
    return act()
  } catch (error) {
    throw error instanceof HelloserverError ? error : fileError('BOOT_FAILED', action, path, error)
  }
}
