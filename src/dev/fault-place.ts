import { execFile } from 'node:child_process'
import { isCode, lineOfImport, textOf } from './app-code.ts'

/** A path and a line, as errors name them. */
const place = /\/[^\s():]+:\d+/
const badJson = /Cannot read (\/\S+): .* in JSON at position (\d+)/
const notFound = /Cannot find (?:module|package) '([^']+)' imported from ([^\s()]+)/

/**
 * Finds the place of the fault that made a reload fail, unless the reason already names it: an importing program learns
 * from Node.js neither the place of a syntax error nor the line of an import that is not found.
 *
 * @param reason - why the reload, or the start, failed
 * @param files - the app's code
 * @returns `/path/app.js:3: SyntaxError: …`; undefined when the reason has the place, or no such error is found
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

/** `node --check` prints the place in its first line, and the error in a later one. */
async function syntaxErrorIn(file: string): Promise<string | undefined> {
  const stderr = await new Promise<string>((resolve) => {
    execFile(process.execPath, ['--check', file], (_error, _stdout, text) => resolve(text))
  })
  const at = /^(?:file:\/\/)?(\/.+:\d+)$/m.exec(stderr)?.[1]
  const error = /^\w*SyntaxError.*$/m.exec(stderr)?.[0]
  return at === undefined || error === undefined ? undefined : `${at}: ${error}`
}
