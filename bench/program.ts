import { constants } from 'node:os'
import { UsageError } from './options.ts'

/** Reports progress to the user; the figures go to standard output. */
export const progress = (line: string): void => void process.stderr.write(`${line}\n`)

/** The first signal ends the run in good order; further ones have no effect. */
export function abortOnSignals(): AbortSignal {
  const interrupted = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      process.exitCode ??= 128 + constants.signals[name]
      interrupted.abort(new Error(`Interrupted by ${name}`))
    })
  }
  return interrupted.signal
}

/** An AbortError says only that something was aborted; its cause has the reason. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.name === 'AbortError' && error.cause ? messageOf(error.cause) : error.message
}

/**
 * Runs a program to its end, or prints its usage if asked; turns anything it throws into a message and an exit
 * status.
 */
export async function runProgram(main: () => Promise<void>, usage: string): Promise<void> {
  if (process.argv.includes('--help')) {
    process.stdout.write(usage)
    return
  }
  try {
    await main()
  } catch (error) {
    const message = messageOf(error)
    progress(error instanceof UsageError ? `${message}\n\n${usage}` : message)
    process.exitCode ??= error instanceof UsageError ? 2 : 1
  }
}
