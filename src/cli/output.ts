import { codeOf, messageOf } from '../errors.ts'
import { visible, visibleJson } from '../visible.ts'
import type { Options } from './options.ts'

/**
 * Prints a result: the object for programs, the sentence or the lines for people. What others have said may be in each;
 * here is where it can no longer command the terminal.
 */
export function print(options: Options, result: object, people: string | readonly string[]): void {
  if (options.json) printJson(result)
  else process.stdout.write(`${[people].flat().map(visible).join('\n')}\n`)
}

export function printJson(value: object): void {
  process.stdout.write(`${visibleJson(JSON.stringify(value))}\n`)
}

/** Prints what went wrong on standard error; with `--json` the code for programs goes to standard output. */
export function printError(error: unknown, options: Options): void {
  const message = messageOf(error)
  if (options.json) {
    printJson({ error: { code: codeOf(error) ?? null, message } })
  }
  printWarning(message, options)
}

/** Says on standard error what is no reason to stop. */
export function printWarning(text: string, { name }: Options): void {
  process.stderr.write(`${visible(`${name}: ${text}`)}\n`)
}
