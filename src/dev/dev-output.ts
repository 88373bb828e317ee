import { relative } from 'node:path'
import { prettyLine } from '../telemetry/pretty.ts'
import { visible } from '../visible-text.ts'
import type { OutputLine } from './dev-service.ts'

/** The cause of the reloads that `dev` requests, by which their lines in the service's log are known. */
export const devCause = 'dev'

/** Shows a person what happens: our own words, what the app prints, and what the service warns of. */
export class DevOutput {
  readonly #pretty = prettyLine(process.stdout.isTTY && process.stdout.hasColors())

  /** Prints messages of `dev`. */
  say(...lines: readonly string[]): void {
    process.stdout.write(lines.map((line) => `${visible(line)}\n`).join(''))
  }

  /** Prints a line of the service's log, unless `dev` reports the same in its own words. */
  show({ text, fields }: OutputLine): void {
    if (fields === undefined) this.say(text)
    else if (fields['stream'] !== undefined) this.#printed(fields)
    else if (isOfInterest(fields)) process.stdout.write(this.#pretty(`${text}\n`))
  }

  /** Output of `console.log` and the like. */
  #printed({ stream, msg }: Readonly<Record<string, unknown>>): void {
    const output = stream === 'stderr' ? process.stderr : process.stdout
    output.write(`${visible(String(msg))}\n`)
  }
}

function isOfInterest({ role, level, kind, cause }: Readonly<Record<string, unknown>>): boolean {
  // A start that fails is shown with the reason from its fatal line.
  if (level === 'fatal') return role === 'worker'
  if (kind === 'reload-failed' || kind === 'reload-done') return cause !== devCause
  return role === 'worker' || level === 'warn' || level === 'error'
}

/** A path as people in the working directory write it. */
export function shownPath(path: string): string {
  const shown = relative('', path)
  return shown === '' || shown.startsWith('..') ? path : shown
}

/** A sentence with its paths as people in the working directory write them. */
export function shownPaths(sentence: string): string {
  return sentence.replaceAll(`${process.cwd()}/`, '')
}
