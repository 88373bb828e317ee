import { createHash } from 'node:crypto'

/** How the app takes its time over an answer: in silence, or by writing it bit by bit. */
export type Pace = 'silent' | 'trickling'

/** A line that begins so is the answer to itself: those of a crowd, for which nothing may take long. */
export const echoPrefix = 'echo '

/** What a client asks for in its line. */
export interface Ask {
  /** No two connections of a run have the same. */
  readonly id: number
  readonly pace: Pace
  /** How long the handler takes, in milliseconds. */
  readonly delayMs: number
  readonly payload: string
}

/** The line that a client sends. */
export function lineOf({ id, pace, delayMs, payload }: Ask): string {
  return `${id} ${pace} ${delayMs} ${payload}\r\n`
}

/** Reads a line that `lineOf` wrote. */
export function readAsk(line: string): Ask {
  const [id, pace, delayMs, payload = ''] = line.trimEnd().split(' ')
  if (pace !== 'silent' && pace !== 'trickling') throw new Error(`Cannot read the line ${line}`)
  return { id: Number(id), pace, delayMs: Number(delayMs), payload }
}

/**
 * The right answer to a line: the head is written when the line has been read, the rest at the end. Both
 * depend on every byte of the line, so that an answer to another connection cannot pass for this one's.
 */
export function answerTo(line: string): { readonly head: string; readonly rest: string } {
  const digest = createHash('sha256').update(line, 'latin1').digest('hex')
  const reversed = line.trimEnd().split('').toReversed().join('')
  return { head: `read ${digest}\r\n`, rest: `${reversed}\r\n${digest.repeat(16)}\r\nend\r\n` }
}
