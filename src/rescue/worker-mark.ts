import { randomBytes } from 'node:crypto'
import { type BigIntStats, statSync } from 'node:fs'
import type { RunFiles } from '../config/run-dir.ts'

/** A service on this host, by the path of its run directory and its name. */
export type Place = Pick<RunFiles, 'runDir' | 'name'>

/**
 * The name of the pages that this process, a primary, shares with its workers, by which /proc shows whose workers they
 * are. Unlike the name of a socket, it stands in the table of the very process that has the page.
 *
 * @throws Error when the run directory cannot be examined
 */
export function newMark({ runDir, name }: Place): string {
  const beginning = beginningOf(name, statSync(runDir, { bigint: true }))
  // Some later primary may have the same PID.
  return `${beginning}${process.pid} ${randomBytes(4).toString('hex')}`
}

/** The mark that a link in /proc/PID/fd tells of, with the PID of its primary; undefined for any other file. */
export function markIn(
  link: string,
  beginning: string,
): { readonly mark: string; readonly primary: number } | undefined {
  const [, mark = ''] = /^\/memfd:(.*) \(deleted\)$/s.exec(link) ?? []
  if (!mark.startsWith(beginning)) return undefined
  const [, pid] = /^(\d+) [0-9a-f]+$/.exec(mark.slice(beginning.length)) ?? []
  return pid === undefined ? undefined : { mark, primary: Number(pid) }
}

/** The beginning of all these names of one service, by the identity of its run directory. */
export function beginningOf(name: string, { dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `helloserver ${dev}:${ino} ${name} `
}
