import { lineOfImport, textOf } from '../app/app-code.ts'

/** A path and a line, as errors name them. */
const place = /\/[^\s():]+:\d+/
const badJson = /Cannot read (\/.+?): .* in JSON at position (\d+)/
const notFound = /Cannot find (?:module|package) '([^']+)' imported from (.+?)(?: \(|$)/

/**
 * Finds the place of the fault that made a reload fail, unless the reason already names it: Node.js tells an importing
 * program the line neither of an import that is not found, nor of a mistake in JSON.
 *
 * @param reason - why the reload, or the start, failed
 * @returns `/path/app.js:3`; undefined when the reason has the place, or no such error is found
 */
export function placeOfFault(reason: string): string | undefined {
  if (place.test(reason)) return undefined
  const [, name, importer] = notFound.exec(reason) ?? []
  if (name !== undefined && importer !== undefined) return placeOfImport(name, importer)
  const [, json, position] = badJson.exec(reason) ?? []
  return json === undefined ? undefined : `${json}:${lineAt(json, Number(position))}`
}

function lineAt(path: string, position: number): number {
  return textOf(path).slice(0, position).split('\n').length
}

function placeOfImport(name: string, importer: string): string {
  const line = lineOfImport(importer, name.slice(name.lastIndexOf('/') + 1))
  return line === undefined ? importer : `${importer}:${line}`
}
