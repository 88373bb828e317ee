import { createHash } from 'node:crypto'

/** A Lua script that runs in the server, as one step that nobody sees half of. */
export interface Script {
  readonly source: string
  /** By which the server knows it once it was loaded (EVALSHA). */
  readonly digest: string
}

export function script(source: string): Script {
  return { source, digest: createHash('sha1').update(source).digest('hex') }
}
