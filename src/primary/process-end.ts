import type { ChildProcess } from 'node:child_process'
import type { Readable } from 'node:stream'

/**
 * Calls `onEnd` when a worker's process is gone: when it has exited and both its channels are read to their end,
 * since what it wrote just before it died may still be in them.
 *
 * @param hasSpoken - whether it was ready: then it has no reason left to give, and Node never tells of a channel's end
 * while a socket that was sent on it is not acknowledged
 */
export function onProcessEnd(
  child: ChildProcess,
  progress: Readable,
  hasSpoken: () => boolean,
  onEnd: (code: number | null, signal: NodeJS.Signals | null) => void,
): void {
  const awaited = new Set(['exit', 'disconnect', 'progress'])
  let code: number | null = null
  let signal: NodeJS.Signals | null = null
  const settle = (what: string) => {
    awaited.delete(what)
    if (what === 'exit' && hasSpoken()) awaited.delete('disconnect')
    if (awaited.size === 0) onEnd(code, signal)
  }
  child.once('exit', (exitCode, exitSignal) => {
    code = exitCode
    signal = exitSignal
    settle('exit')
  })
  child.once('disconnect', () => {
    // An app that closed the channel itself can take no more connections.
    child.kill('SIGKILL')
    settle('disconnect')
  })
  progress.once('close', () => settle('progress'))
}
