import { isatty } from 'node:tty'
import { ForegroundOutput, unblocked } from './foreground-output.ts'

/**
 * The log of a service in the foreground: standard output; on a terminal, formatted for people.
 *
 * @param asJson - whether lines stay JSON even on a terminal
 */
export async function foregroundLog(asJson: boolean): Promise<ForegroundOutput> {
  const fd = unblocked()
  if (asJson || !isatty(1)) return new ForegroundOutput(fd)
  const { prettyLine } = await import('./pretty.ts')
  return new ForegroundOutput(fd, prettyLine(process.stdout.hasColors()))
}
