import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { withDeadline } from '../async/with-deadline.ts'
import type { Config } from '../config/load.ts'
import type { RunFiles } from '../config/run-dir.ts'
import { clientLimits, LineChannel } from '../control/line-channel.ts'
import { codeOf } from '../errors.ts'
import { mustBeOwnSocket } from '../files/trust.ts'
import type { ToWorker } from '../ipc/worker-messages.ts'
import { hasNoListener } from '../network/no-listener.ts'
import type { Logger } from '../telemetry/logger.ts'
import { askAgainMs, killedWithinMs, patienceMs } from './patience.ts'
import { decodeHello } from './rescue-messages.ts'
import { killStrays, lookAgainMs, strays } from './strays.ts'

const retirement: ToWorker = { kind: 'retire', afterQueue: true }

/**
 * Ends the workers of a primary that was killed, for a primary that cannot continue with what they hold, and that does
 * not need the native module for this: Node.js drops the descriptors that come with their messages. They first serve
 * what waits in the queue. Resolves when all have ended, or cannot be ended. The caller must hold the lock.
 *
 * @param reason - why this process does not continue with them
 * @throws HelloserverError `BAD_CONFIG` for a socket that another user may have put there
 */
export async function endOrphans(
  files: RunFiles,
  config: Config,
  reason: string,
  log: Logger,
): Promise<void> {
  if (!isThere(files)) return
  const heard = new Set<number>()
  const withinMs = patienceMs(config)
  const timers = [
    // As the watchdog does with a worker whose event loop does not turn.
    setTimeout(() => killStrays(files, log, heard), config.watchdog.hungAfterMs),
    setTimeout(() => killStrays(files, log), withinMs),
  ]
  const ending = new AbortController()
  const giveUp = () => log.warn('The workers of a dead primary go on, and cannot be found')
  try {
    const ended = retireAll(files, heard, reason, log, ending.signal)
    await withDeadline(ended, withinMs + killedWithinMs, giveUp)
  } finally {
    ending.abort()
    for (const timer of timers) clearTimeout(timer)
  }
}

function isThere({ rescueFile }: RunFiles): boolean {
  try {
    mustBeOwnSocket('socket of the workers', rescueFile)
    return true
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

/**
 * Tells one after the other to retire, each when its event loop turns. Resolves when nobody holds the socket any more,
 * and removes its file; or soon after it was told to give up.
 *
 * @param heard - gets the PIDs of those that have answered
 */
async function retireAll(
  files: RunFiles,
  heard: Set<number>,
  reason: string,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const { rescueFile } = files
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const socket = await connected(rescueFile, signal)
    if (socket === undefined) break
    if (isFirst) log.warn({ reason }, 'Waiting for the workers of a dead primary to end')
    const pid = await retired(socket, signal)
    if (pid === undefined) await delay(askAgainMs)
    else heard.add(pid)
  }
  // Where others had removed the file, it leads to another socket, which a worker that hangs has yet to learn of.
  while (!signal.aborted && strays(files).length > 0) await delay(lookAgainMs)
  if (!signal.aborted) rmSync(rescueFile, { force: true })
}

/** Undefined when no process has the listening socket any more, or it is given up. */
async function connected(path: string, signal: AbortSignal): Promise<Socket | undefined> {
  while (!signal.aborted) {
    const socket = connect(path)
    try {
      await once(socket, 'connect')
      return socket
    } catch (error) {
      if (hasNoListener(error)) return undefined
      // Those that were killed while they waited may fill the queue.
      if (codeOf(error) !== 'EAGAIN') throw error
      await delay(askAgainMs)
    }
  }
  return undefined
}

/** The PID of the worker that was told; undefined when it has hung up without a word, or with none of its own. */
function retired(socket: Socket, signal: AbortSignal): Promise<number | undefined> {
  return new Promise((resolve) => {
    const onMessage = (message: unknown): Promise<void> => {
      // It stays connected until it has ended: otherwise, it would wait for another primary.
      channel.send(retirement)
      resolve(decodeHello(message)?.pid)
      return Promise.resolve()
    }
    const channel = new LineChannel(socket, clientLimits, onMessage, () => resolve(undefined))
    const hangUp = () => socket.destroy()
    signal.addEventListener('abort', hangUp)
    socket.once('close', () => signal.removeEventListener('abort', hangUp))
  })
}
