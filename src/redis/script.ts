import { createHash } from 'node:crypto'

/** A Lua script that runs in the server, as one atomic step. */
export interface Script {
  readonly source: string
  /** The name by which the server knows the script once it is loaded (EVALSHA). */
  readonly digest: string
}

export function script(source: string): Script {
  return { source, digest: createHash('sha1').update(source).digest('hex') }
}
