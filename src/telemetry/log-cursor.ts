import { readFileSync, renameSync, writeFileSync } from 'node:fs'

/** How far a log has been shown: so many bytes of the file that had this id (`fileIdOf`). */
export interface LogPosition {
  readonly offset: number
  readonly fileId: string
}

/** How far a log has been shown, kept in a file for whoever shows it next. */
export class LogCursor {
  readonly #path: string

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
    const temporary = `${this.#path}.${process.pid}`
    writeFileSync(temporary, `${offset} ${fileId}\n`, { mode: 0o600 })
    renameSync(temporary, this.#path)
  }
}
