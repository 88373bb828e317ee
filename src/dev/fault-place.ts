import { execFile } from 'node:child_process'
import { isCode, lineOfImport, textOf } from './app-code.ts'

/** A path and a line, as errors name them. */
const place = /\/[^\s():]+:\d+/
const badJson = /Cannot read (\/\S+): .* in JSON at position (\d+)/
const notFound = /Cannot find (?:module|package) '([^']+)' imported from ([^\s()]+)/

/**
 * Finds where the code of a reload that failed is wrong, unless its reason says so: Node.js does not name the place
 * of a syntax error to the program that imports the module, nor the line of an import that is not found.
 *
 * @param reason - why the reload, or the start, failed
 * @param files - the app's code
 * @returns `/path/app.js:3: SyntaxError: …`; undefined when the reason has the place, or the code has no such error
 */
export async function placeOfFault(
  reason: string,
  files: Iterable<string>,
): Promise<string | undefined> {
  if (place.test(reason)) return undefined
  const [, name, importer] = notFound.exec(reason) ?? []
  if (name !== undefined && importer !== undefined) return placeOfImport(name, importer)
  const [, json, position] = badJson.exec(reason) ?? []
  if (json !== undefined) return `${json}:${lineAt(json, Number(position))}`
  for (const file of files) {
    const fault = isCode(file) ? await syntaxErrorIn(file) : undefined
    if (fault !== undefined) return fault
  }
  return undefined
}

function lineAt(path: string, position: number): number {
  return textOf(path).slice(0, position).split('\n').length
}

function placeOfImport(name: string, importer: string): string {
  const line = lineOfImport(importer, name.slice(name.lastIndexOf('/') + 1))
  return line === undefined ? importer : `${importer}:${line}`
}

/** The first line of `node --check` names the place, and the first that begins with a name the error. */
async function syntaxErrorIn(file: string): Promise<string | undefined> {
  const stderr = await new Promise<string>((resolve) => {
    execFile(process.execPath, ['--check', file], (_error, _stdout, text) => resolve(text))
  })
  const at = /^(?:file:\/\/)?(\/.+:\d+)$/m.exec(stderr)?.[1]
  const error = /^\w*SyntaxError.*$/m.exec(stderr)?.[0]
  return at === undefined || error === undefined ? undefined : `${at}: ${error}`
}
