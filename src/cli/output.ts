import { codeOf, messageOf } from '../errors.ts'
import type { Options } from './options.ts'

/** Prints a result: the object for programs, the sentence or table for people. */
export function print(options: Options, result: object, people: string): void {
  process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : `${people}\n`)
}

/** Prints what went wrong on standard error; with `--json` the code for programs goes to standard output. */
export function printError(error: unknown, options: Options): void {
  const message = messageOf(error)
  if (options.json) {
    process.stdout.write(`${JSON.stringify({ error: { code: codeOf(error) ?? null, message } })}\n`)
  }
  process.stderr.write(`${options.name}: ${message}\n`)
}
