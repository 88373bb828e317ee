import { rmSync } from 'node:fs'
import { codeOf } from '../errors.ts'
import { identityOf } from '../files/identity.ts'
import { replaceFile } from '../files/replace-file.ts'
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

  write(): void {
    const text = `${process.pid}\n`
    this.#identity = replaceFile(this.#path, { what: 'the PID file', text, mode: 0o644 })
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
