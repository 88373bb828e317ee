import { nameKey } from './name.ts'

/** The lines that answer each name; the keys are names normalized by `nameKey`. */
export type Records = ReadonlyMap<string, readonly string[]>

const comment = /^[#%]/
const blank = /^\s*$/
const continuation = /^[ \t]/
const keyAndValue = /^[A-Za-z][A-Za-z0-9-]*:(.*)$/
/** Control characters, and the replacement character for invalid UTF-8: neither belongs in an answer. */
const unprintable = /[^\P{Cc}\t]|\uFFFD/u

/**
 * Parses a records file; README.md describes the format.
 *
 * @param text - the file's content
 * @param file - its name, for messages
 * @throws Error for the first mistake, with file, line number, the text found and the text expected
 */
export function parseRecords(text: string, file: string): Records {
  const reader = new RecordsReader(file)
  for (const line of text.replace(/^\uFEFF/, '').split(/\r?\n/)) reader.add(line)
  return reader.finish()
}

/** Assembles a file's lines into records. */
class RecordsReader {
  readonly #file: string
  readonly #records = new Map<string, string[]>()
  /** The line on which each name first appeared. */
  readonly #lineOf = new Map<string, number>()
  /** The record being read; undefined between records. */
  #open: string[] | undefined
  #lineNumber = 0

  constructor(file: string) {
    this.#file = file
  }

  add(line: string): void {
    this.#lineNumber += 1
    if (unprintable.test(line)) throw this.#problem(line, 'printable UTF-8 text')
    if (comment.test(line)) return
    if (blank.test(line)) this.#open = undefined
    else if (continuation.test(line)) this.#continue(line)
    else this.#addPair(line)
  }

  finish(): Records {
    if (this.#records.size > 0) return this.#records
    throw new Error(`${this.#file}: Got no record; expected at least one`)
  }

  #continue(line: string): void {
    if (this.#open === undefined) {
      throw this.#problem(line, "a record's first line, which begins in the first column")
    }
    this.#open.push(line.trimEnd())
  }

  #addPair(line: string): void {
    const value = keyAndValue.exec(line)?.[1]
    if (value === undefined) throw this.#problem(line, '"key: value", a comment or a blank line')
    this.#open ??= this.#begin(line, nameKey(value))
    this.#open.push(line.trimEnd())
  }

  #begin(line: string, key: string): string[] {
    if (key === '') throw this.#problem(line, "the record's name after its first key")
    const before = this.#lineOf.get(key)
    if (before !== undefined) {
      throw this.#problem(line, `another name, since the record on line ${before} has this one`)
    }
    const lines: string[] = []
    this.#lineOf.set(key, this.#lineNumber)
    this.#records.set(key, lines)
    return lines
  }

  #problem(line: string, expected: string): Error {
    const place = `${this.#file}:${this.#lineNumber}`
    return new Error(`${place}: Got ${JSON.stringify(line)}; expected ${expected}`)
  }
}
