import { codeOf, messageOf } from '../errors.ts'
import { visible, visibleJson } from '../visible-text.ts'
import type { Options } from './options.ts'

/**
 * Prints a result: the object for programs, the sentence or the lines for people. Either may contain text from
 * others; this is where it is made harmless to the terminal.
 */
export function print(options: Options, result: object, people: string | readonly string[]): void {
  if (options.json) printJson(result)
  else process.stdout.write(`${[people].flat().map(visible).join('\n')}\n`)
}

export function printJson(value: object): void {
  process.stdout.write(`${visibleJson(JSON.stringify(value))}\n`)
}

/** Prints an error on standard error; with `--json`, its code goes to standard output for programs. */
export function printError(error: unknown, options: Options): void {
  const message = messageOf(error)
  if (options.json) {
    printJson({ error: { code: codeOf(error) ?? null, message } })
  }
  printWarning(message, options)
}

/** Prints a warning on standard error: a problem that does not stop the command. */
export function printWarning(text: string, { name }: Options): void {
  process.stderr.write(`${visible(`${name}: ${text}`)}\n`)
}
