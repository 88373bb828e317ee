import type { StopFollower, StopProgress } from '../control/stop.ts'
import { permitLine } from '../fleet/permit-line.ts'
import type { DrainPhase } from '../lifecycle/drain-phases.ts'
import type { DrainStatus } from '../status.ts'
import { visible } from '../visible-text.ts'
import { duration } from './table.ts'

/** How often the progress of a stop is shown, in milliseconds. */
const showEveryMs = 1_000

/** Erases from the cursor to the end of the line (ECMA-48, EL). */
const eraseLine = '\x1b[K'

const phases: Readonly<Record<DrainPhase, string>> = {
  accepting: 'serving',
  announcing: 'still accepting',
  closing: 'closing the port',
  'serving-queue': 'serving the queue',
  'waiting-for-workers': 'waiting for the workers',
  ending: 'ending the workers',
  cutting: 'dropping the remaining connections',
  ended: 'ended',
}

/** Describes a drain in one readable line. */
export function drainLine({ phase, queued, inHand, remainingMs }: DrainStatus): string {
  const left = remainingMs > 0 ? `, ${duration(remainingMs)} left` : ''
  return `${phases[phase]}: ${queued} queued, ${inHand} active${left}`
}

/**
 * Shows the progress of a stop on standard error: in one updated line on a terminal, otherwise in a line per change.
 */
export class DrainProgress implements StopFollower {
  readonly everyMs = showEveryMs
  readonly #name: string
  #isShown = false
  #lastLine = ''

  /** @param name - the service's name */
  constructor(name: string) {
    this.#name = name
  }

  onProgress({ drain, fleet }: StopProgress): void {
    const how = [drain && drainLine(drain), fleet?.waiting && permitLine(fleet.waiting)]
    const line = visible(`${this.#name}: ${how.find((part) => part) ?? ''}`)
    // A wait for a permit may take hours, and its line stays the same.
    if (line === this.#lastLine) return
    this.#lastLine = line
    process.stderr.write(process.stderr.isTTY ? `\r${line}${eraseLine}` : `${line}\n`)
    this.#isShown = true
  }

  /** Erases the line from the terminal, to make way for further output. */
  clear(): void {
    if (this.#isShown && process.stderr.isTTY) process.stderr.write(`\r${eraseLine}`)
  }
}
