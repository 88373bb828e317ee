import { codeOf } from '../errors.ts'

/**
 * Whether a connection to a Unix socket has failed because nobody listens there: there is no such file, no process has
 * the socket open, or the last one has ended since the connection began (unix(7)).
 */
export function hasNoListener(error: unknown): boolean {
  return /^(ENOENT|ECONNREFUSED|ECONNRESET)$/.test(codeOf(error) ?? '')
}
