import { createRequire } from 'node:module'
import { basename } from 'node:path'

/** The version of the pm2 that runs this process; undefined when it cannot be found. */
export function pm2Version(): string | undefined {
  const container = process.argv[1] ?? ''
  if (!basename(container).startsWith('ProcessContainer')) return undefined
  const { version } = createRequire(container)('../package.json') as { version: string }
  return version
}

/** What pm2 5 and 6 do otherwise than 7. */
export interface Quirks {
  /** They show figures in the reverse order: they copy objects with `fclone`, which goes through keys backwards. */
  readonly reversesFigures: boolean
  /**
   * They list an app that ends before it is ready as `online` after `listen_timeout`, even if it was stopped: the end
   * of the process does not end their wait for "ready".
   */
  readonly waitsForTheDead: boolean
}

/** The differences of a release of pm2 from the newest one. */
export function quirksOf(version: string | undefined): Quirks {
  const isOld = Number.parseInt(version ?? '', 10) < 7
  return { reversesFigures: isOld, waitsForTheDead: isOld }
}
