import { readFileSync } from 'node:fs'
import { identityOf } from '../files/identity.ts'
import { replaceFile } from '../files/replace-file.ts'

/** How far a log has been shown: so many bytes of the file that had this id (`logIdOf`). */
export interface LogPosition {
  readonly offset: number
  readonly fileId: string
}

/** How far a log has been shown, kept in a file for whoever shows it next. */
export class LogCursor {
  readonly #path: string
  #isWritten = false

  constructor(path: string) {
    this.#path = path
  }

  /** Undefined when nobody has shown anything yet. */
  read(): LogPosition | undefined {
    try {
      const [, offset, fileId] =
        /^(\d{1,15}) ([0-9a-f]+)\n$/.exec(readFileSync(this.#path, 'utf8')) ?? []
      return fileId === undefined ? undefined : { offset: Number(offset), fileId }
    } catch {
      // No cursor, nothing shown.
      return undefined
    }
  }

  write({ offset, fileId }: LogPosition): void {
    const text = `${offset} ${fileId}\n`
    replaceFile(this.#path, { what: 'the log cursor', text, mode: 0o600 })
    this.#isWritten = true
  }

  /** Whether one is there, or none was written yet. Another one is the next bridge's, which goes on from there. */
  get isThere(): boolean {
    return !this.#isWritten || identityOf(this.#path) !== undefined
  }
}
