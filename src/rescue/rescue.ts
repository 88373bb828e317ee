import { fstatSync } from 'node:fs'
import { isIP, isIPv4 } from 'node:net'
import { withDeadline } from '../async/with-deadline.ts'
import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/load.ts'
import type { RunFiles } from '../config/run-dir.ts'
import type { QueueEnds } from '../connections/kernel-queue.ts'
import { type ClosedLedger, ledgerBytes, readLedger } from '../connections/ledger.ts'
import type { BoundEndpoint } from '../endpoint.ts'
import { messageOf } from '../errors.ts'
import { type BoundListener, handleAt } from '../ipc/socket-handle.ts'
import { chooseHandOff } from '../native/choose-hand-off.ts'
import { type NativeModule, seals, takeCodes, ticketBytes } from '../native/native.ts'
import type { Logger } from '../telemetry/logger.ts'
import { endOrphans } from './end-orphans.ts'
import { discardLegacy, type LegacyContent, readLegacy } from './legacy.ts'
import { Orphans } from './orphans.ts'
import { type Notes, notesIn } from './rescue-messages.ts'

/** What a primary that was killed has left. */
export interface Found {
  readonly listeners: readonly BoundListener[]
  readonly queue: QueueEnds
  readonly ledger: ClosedLedger
  readonly notes: Notes
  /** This process has left all of it to the next one: the workers of the dead primary need not any more. */
  release(): void
}

/** What is left of a primary that was killed, with its workers, which go on. */
export interface Rescued extends Found {
  readonly orphans: Orphans
}

/**
 * Takes over from a primary that was killed, if any of its workers are there. The caller must hold the lock.
 *
 * Nothing that comes from a worker is trusted: what cannot be used is left, and the service starts anew once these
 * workers have ended, as it does where it has the portable hand-off now, perhaps for want of the native module.
 */
export async function rescue(
  files: RunFiles,
  environment: Environment,
  config: Config,
  log: Logger,
): Promise<Rescued | undefined> {
  const { native, reason } = chooseHandOff(environment)
  if (native === undefined) {
    await endOrphans(files, config, reason, log)
    return undefined
  }
  const orphans = Orphans.find(native, files, (fd) => foundIn(native, fd), log)
  if (orphans === undefined) return undefined
  const { hungAfterMs } = config.watchdog
  const found = await withDeadline(orphans.first, hungAfterMs, () => undefined)
  if (found !== undefined) return { ...found, orphans }
  if (!orphans.haveEnded) log.warn('Waiting for the workers of a dead primary to end')
  orphans.retire(hungAfterMs)
  await orphans.gone
  return undefined
}

/** What a dead primary has left, or why it cannot be used; `legacy` is closed when that is over. */
function foundIn(native: NativeModule, legacy: number): Found | string {
  const found = contentOf(native, legacy)
  if (typeof found === 'string') {
    native.close(legacy)
    return found
  }
  const release = () => {
    discardLegacy(native, legacy)
    native.close(legacy)
  }
  return { ...found, release }
}

function contentOf(native: NativeModule, legacy: number): Omit<Found, 'release'> | string {
  const content = readLegacy(native, legacy)
  if (content === undefined) return 'it has left nothing that could be read'
  const { ledger: fd, queue, socket } = content
  // Its file leads there.
  native.close(socket)
  try {
    const ledger = ledgerIn(native, fd)
    const notes = notesIn(ledger)
    if (notes === undefined) throw new Error('it was of another release')
    const seen = native.peek(queue.taking, new Uint8Array(ticketBytes))
    if (seen !== 0 && seen !== takeCodes.nobody) throw new Error('its queue is broken')
    native.close(fd)
    return { ledger, notes, queue, listeners: listenersIn(native, content) }
  } catch (error) {
    const sockets = content.listeners.map((one) => one.fd)
    for (const each of [fd, queue.feeding, queue.taking, ...sockets]) native.close(each)
    return messageOf(error)
  }
}

/** @throws Error when it is no ledger, or others than the dead primary could have written it */
function ledgerIn(native: NativeModule, fd: number): ClosedLedger {
  const wanted = seals.size | seals.writing
  const found = native.sealsOf(fd)
  if (found < 0 || (found & wanted) !== wanted || fstatSync(fd).size !== ledgerBytes) {
    throw new Error('its ledger is another file')
  }
  return readLedger(fd)
}

/** Those that are what they are said to be; the others are closed. */
function listenersIn(native: NativeModule, { listeners }: LegacyContent): BoundListener[] {
  return listeners.flatMap(({ fd, bound }) => {
    if (isBoundTo(native, fd, bound)) return [{ ...bound, handle: handleAt(fd) }]
    native.close(fd)
    return []
  })
}

function isBoundTo(native: NativeModule, fd: number, bound: BoundEndpoint): boolean {
  if (native.isListening(fd) !== 1) return false
  const local = native.localOf(fd)
  // A Unix socket has no such address.
  if (typeof local === 'number' || bound.path !== undefined) {
    return typeof local === 'number' && bound.path !== undefined
  }
  const { host, boundPort } = bound
  if (local.port !== boundPort) return false
  // An IPv6 address has many texts, and a name may stand for another address by now.
  return isIPv4(host) ? local.address === host : isIP(host) !== 6 || isIP(local.address) === 6
}
