import { identityOf } from '../files/file-identity.ts'
import { readText } from '../files/read-text.ts'
import { replaceFile } from '../files/replace-file.ts'

/** How far a log has been shown: an offset in the file that had this id (`logIdOf`). */
export interface LogPosition {
  readonly offset: number
  readonly fileId: string
}

/** Records in a file how far a log has been shown, for the next process that shows it. */
export class LogCursor {
  readonly #path: string
  #isWritten = false

  constructor(path: string) {
    this.#path = path
  }

  /** Undefined when nothing has been shown yet. */
  read(): LogPosition | undefined {
    try {
      const [, offset, fileId] = /^(\d{1,15}) ([0-9a-f]+)\n$/.exec(readText(this.#path)) ?? []
      return fileId === undefined ? undefined : { offset: Number(offset), fileId }
    } catch {
      // Without a cursor, nothing has been shown.
      return undefined
    }
  }

  write({ offset, fileId }: LogPosition): void {
    const text = `${offset} ${fileId}\n`
    replaceFile(this.#path, { what: 'the log cursor', text, mode: 0o600 })
    this.#isWritten = true
  }

  /**
   * Whether the cursor file exists, or none has been written yet. A different file is the next bridge's, which
   * continues from there.
   */
  get isThere(): boolean {
    return !this.#isWritten || identityOf(this.#path) !== undefined
  }
}
