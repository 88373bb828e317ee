import { constants } from 'node:os'
import { UsageError } from './options.ts'

/** What a person who waits is told; the figures go to standard output. */
export const progress = (line: string): void => void process.stderr.write(`${line}\n`)

/** The first signal ends the run in order; further ones change nothing about that. */
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

/** What is aborted says only that it was; the reason why is its cause. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.name === 'AbortError' && error.cause ? messageOf(error.cause) : error.message
}

/** Runs a program to its end, unless only its usage is asked for, and makes of what it throws a message and an exit status. */
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
