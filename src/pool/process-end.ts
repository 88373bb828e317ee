import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

/**
 * How many turns of the event loop may pass to read what a process had written when it exited: the first may
 * have been under way, and each of the others reads everything that the system has.
 */
const readingTurns = 4

/**
 * Calls `onEnd` when a worker's process has exited, and what it wrote just before to its channel and its progress
 * pipe has been read. It does not wait for these two to end: a child of the app may hold them as long as it likes.
 */
export function onProcessEnd(
  child: ChildProcess,
  progress: Readable,
  onEnd: (code: number | null, signal: NodeJS.Signals | null) => void,
): void {
  child.once('exit', (code, signal) => {
    const look = (turnsLeft: number) => {
      const isRead = progress.closed && !child.connected
      if (isRead || turnsLeft === 0) onEnd(code, signal)
      else setImmediate(look, turnsLeft - 1)
    }
    look(readingTurns)
  })
}
