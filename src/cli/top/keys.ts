import { withinWorkers } from '../../config/worker-count.ts'

/** The state that decides what keys do. */
export type Mode =
  | { readonly kind: 'watching' }
  | { readonly kind: 'help' }
  /** Waiting for the action named here to be confirmed. */
  | { readonly kind: 'reload' }
  | { readonly kind: 'scale'; readonly workers: number }

/** The action that a key requests. */
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

/** Keys with the same meaning in every mode. */
const always: Readonly<Record<string, Command>> = {
  '\x03': { kind: 'quit' },
  '\x0c': { kind: 'redraw' },
  '\x1a': { kind: 'suspend' },
}

/**
 * Interprets a key. Changes to the service take two keys: one to choose the change, one to confirm it.
 *
 * @param workers - the service's number of workers; undefined while unknown
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

/**
 * Extracts the keys from terminal input; the escape sequences of arrows and similar keys are dropped, since none of
 * them is used.
 */
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

/** Any key but yes or no leaves the question open, since it was perhaps meant for something else. */
function confirm(mode: Mode, key: string, command: Command): Pressed {
  if (key === 'y' || key === 'Y') return { mode: watching, command }
  return { mode: key === 'n' || key === 'N' || key === 'q' || key === '\x1b' ? watching : mode }
}
