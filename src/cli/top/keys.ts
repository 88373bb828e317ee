import { withinWorkers } from '../../config/worker-count.ts'

/** What the keys are about at the moment. */
export type Mode =
  | { readonly kind: 'watching' }
  | { readonly kind: 'help' }
  /** Waits for the confirmation of what it is named after. */
  | { readonly kind: 'reload' }
  | { readonly kind: 'scale'; readonly workers: number }

/** What a key asks for. */
export type Command =
  | { readonly kind: 'quit' }
  | { readonly kind: 'suspend' }
  | { readonly kind: 'redraw' }
  | { readonly kind: 'reload' }
  | { readonly kind: 'scale'; readonly workers: number }

export interface Pressed {
  readonly mode: Mode
  readonly command?: Command
}

export const watching: Mode = { kind: 'watching' }

/** Keys that mean the same whatever is going on. */
const always: Readonly<Record<string, Command>> = {
  '\x03': { kind: 'quit' },
  '\x0c': { kind: 'redraw' },
  '\x1a': { kind: 'suspend' },
}

/**
 * What a key does. What changes the service needs two: one that says what, one that confirms it.
 *
 * @param workers - how many the service has; undefined while that is not known
 */
export function press(mode: Mode, key: string, workers: number | undefined): Pressed {
  const command = always[key]
  if (command !== undefined) return { mode, command }
  switch (mode.kind) {
    case 'reload':
      return confirm(mode, key, { kind: 'reload' })
    case 'scale':
      if (key === '+' || key === '-') return { mode: scaled(mode.workers, key) }
      return confirm(mode, key, { kind: 'scale', workers: mode.workers })
    case 'help':
      return key === 'q' ? { mode, command: { kind: 'quit' } } : { mode: watching }
    default:
      return choose(key, workers)
  }
}

/** Takes the keys out of what a terminal sends: arrows and the like, which it sends as sequences, are none of ours. */
export function keysIn(text: string): string[] {
  // oxlint-disable-next-line no-control-regex -- that is how a terminal sends them
  return Array.from(text.replaceAll(/\x1b(\[[0-?]*[ -/]*[@-~]|O.)/g, ''))
}

function choose(key: string, workers: number | undefined): Pressed {
  switch (key) {
    case 'q':
      return { mode: watching, command: { kind: 'quit' } }
    case 'r':
      return { mode: { kind: 'reload' } }
    case 'h':
    case '?':
      return { mode: { kind: 'help' } }
    case '+':
    case '-':
      return { mode: workers === undefined ? watching : scaled(workers, key) }
    default:
      return { mode: watching }
  }
}

function scaled(workers: number, key: '+' | '-'): Mode {
  const wanted = workers + (key === '+' ? 1 : -1)
  return { kind: 'scale', workers: withinWorkers(wanted) }
}

/** Anything but a yes or a no leaves the question open: it was perhaps meant for something else. */
function confirm(mode: Mode, key: string, command: Command): Pressed {
  if (key === 'y' || key === 'Y') return { mode: watching, command }
  return { mode: key === 'n' || key === 'N' || key === 'q' || key === '\x1b' ? watching : mode }
}
