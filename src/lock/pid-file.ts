import { rmSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { identityOf } from '../files/file-identity.ts'
import { replaceFile } from '../files/replace-file.ts'
import { readOwned } from '../files/trust.ts'
import { pidIn } from './holder.ts'

/** The PID on the file's first line, if there is one. */
export function readPid(pidFile: string): number | undefined {
  try {
    return pidIn(readOwned('PID file', pidFile))
  } catch {
    // Without a file of this user, there is no PID.
    return undefined
  }
}

/** The file that tells people which process the primary is. */
export class PidFile {
  readonly #path: string
  /** Identity of the file that was last written. */
  #identity: string | undefined

  constructor(path: string) {
    this.#path = path
  }

  write(): void {
    const text = `${process.pid}\n`
    this.#identity = replaceFile(this.#path, { what: 'the PID file', text, mode: 0o644 })
  }

  /** Whether the file is as it was written; true before it was first written. */
  get isThere(): boolean {
    if (this.#identity === undefined) return true
    // Another file may have got its inode, or its content may have been changed in place.
    return identityOf(this.#path) === this.#identity && this.#namesThisProcess()
  }

  /** Without a free descriptor to read it with, the file counts as unchanged: it could not be rewritten either. */
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
