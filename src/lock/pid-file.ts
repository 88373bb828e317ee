import { rmSync, writeFileSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { withFile } from '../file-error.ts'
import { identityOf } from '../files/identity.ts'
import { putInPlace } from '../files/put-in-place.ts'
import { readOwned } from '../trust.ts'
import { pidIn } from './holder.ts'

/** The PID on the file's first line, if there is one. */
export function readPid(pidFile: string): number | undefined {
  try {
    return pidIn(readOwned('PID file', pidFile))
  } catch {
    // No file of ours, no PID.
    return undefined
  }
}

/** The file that tells people which process the primary is. */
export class PidFile {
  readonly #path: string
  /** Of the file that was written last. */
  #identity: string | undefined

  constructor(path: string) {
    this.#path = path
  }

  /** By temporary file and rename, so that nobody reads half a PID, and no link is followed. */
  write(): void {
    const temporary = `${this.#path}.${process.pid}`
    rmSync(temporary, { force: true })
    withFile('write the PID file', this.#path, () =>
      writeFileSync(temporary, `${process.pid}\n`, { mode: 0o644, flag: 'wx' }),
    )
    const identity = identityOf(temporary)
    putInPlace(temporary, this.#path)
    this.#identity = identity
  }

  /** Whether it is as it was written; true when it was not written yet. */
  get isThere(): boolean {
    if (this.#identity === undefined) return true
    // Another file may have got its inode, and its content may have been changed in place.
    return identityOf(this.#path) === this.#identity && this.#namesThisProcess()
  }

  /** Without a descriptor to read it with, it is taken for what was written: it could not be written anew either. */
  #namesThisProcess(): boolean {
    try {
      return pidIn(readOwned('PID file', this.#path)) === process.pid
    } catch (error) {
      return codeOf(error) === 'EMFILE' || codeOf(error) === 'ENFILE'
    }
  }

  remove(): void {
    rmSync(this.#path, { force: true })
    this.#identity = undefined
  }
}
