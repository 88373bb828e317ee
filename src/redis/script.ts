import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script that runs in the server, as one atomic step. */
export interface Script {
  readonly source: string
  /** The name by which the server knows the script once it is loaded (EVALSHA). */
  readonly digest: string
}

/**
 * Reads a script from `lua/`. Each module reads its scripts when it is loaded: a running process must not mix its code
 * with the scripts of a release that has been installed since.
 *
 * @param name - the name of its file, without ".lua"
 */
export function loadScript(name: string): Script {
  const source = sourceOf(`${name}.lua`)
  return { source, digest: createHash('sha1').update(source).digest('hex') }
}

/** A script may begin with a line that names another file, whose text takes the place of that line. */
const include = /^--@include (\S+)$/m

function sourceOf(file: string): string {
  const text = readFileSync(new URL(`lua/${file}`, import.meta.url), 'utf8')
  return text.replace(include, (_line, included: string) => sourceOf(included))
}
