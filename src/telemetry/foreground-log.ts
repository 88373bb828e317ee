import { type LogDestination, standardOutput } from './logger.ts'

/**
 * The log of a service in the foreground: standard output; on a terminal, formatted for people.
 *
 * @param asJson - whether lines stay JSON even on a terminal
 */
export async function foregroundLog(asJson: boolean): Promise<LogDestination> {
  const destination = standardOutput()
  if (asJson || !process.stdout.isTTY) return destination
  const { prettyLine } = await import('./pretty.ts')
  const pretty = prettyLine(process.stdout.hasColors())
  return { write: (line) => destination.write(pretty(line)) }
}
