import type { Config } from '../config/load.ts'
import type { WorkerHandOff } from '../connections/hand-off.ts'
import { peerOf } from '../connections/pending-connection.ts'
import type { SlotState } from '../lifecycle/slot-states.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { WorkerSlot } from './slot.ts'

/** The properties of a worker that the watchdog judges; times are monotonic, in milliseconds. */
export interface Watched {
  readonly state: SlotState
  readonly lastSeenMs: number
  readonly movedAtMs: number
  readonly inHandSinceMs: number
  readonly inHand: unknown
}

/** How long a worker may take for each kind of work; all in milliseconds. */
export interface Patience {
  readonly hungAfterMs: number
  readonly readyTimeoutMs: number
  readonly deadlineMs: number
  readonly lingerMs: number
}

/**
 * Why a worker must be killed, or undefined while it is well.
 *
 * @param nowMs - monotonic
 */
export function verdict(worker: Watched, patience: Patience, nowMs: number): string | undefined {
  const { state } = worker
  const { hungAfterMs, readyTimeoutMs, deadlineMs, lingerMs } = patience
  if (state === 'empty' || state === 'backing-off' || state === 'killing') return undefined
  if (state === 'starting') {
    return nowMs - worker.movedAtMs > readyTimeoutMs
      ? `not ready within ${readyTimeoutMs} ms`
      : undefined
  }
  if (nowMs - worker.lastSeenMs > hungAfterMs) {
    return `hung: its event loop has not turned for ${hungAfterMs} ms`
  }
  if (worker.inHand !== undefined) {
    return nowMs - worker.inHandSinceMs > deadlineMs + hungAfterMs
      ? `stuck: the handler did not end within ${hungAfterMs} ms after the deadline of ${deadlineMs} ms`
      : undefined
  }
  if (state === 'retiring' && nowMs - worker.movedAtMs > lingerMs + hungAfterMs) {
    return `did not exit within ${lingerMs + hungAfterMs} ms after it was retired`
  }
  return undefined
}

/**
 * Whether this process itself was paused since the last check: stopped by a signal, or kept from running. The
 * workers' silence then proves nothing.
 *
 * @returns how long the pause was, in milliseconds; 0 for none
 */
export function pauseSince(lastCheckMs: number, nowMs: number, intervalMs: number): number {
  const lateMs = nowMs - lastCheckMs - intervalMs
  return lateMs > intervalMs + 500 ? lateMs : 0
}

/** How often the watchdog checks while no worker has a shorter heartbeat, in milliseconds. */
const idleCheckMs = 1_000

/** A worker is judged by the configuration that it was given itself, which a reload does not change. */
function patienceOf({ watchdog, reload, connection }: Config): Patience {
  return {
    hungAfterMs: watchdog.hungAfterMs,
    readyTimeoutMs: reload.readyTimeoutMs,
    deadlineMs: connection.deadlineMs,
    lingerMs: connection.lingerMs,
  }
}

/** Checks every worker once a heartbeat, and kills those that cannot continue. */
export class Watchdog {
  readonly #slots: Iterable<WorkerSlot>
  readonly #handOff: Pick<WorkerHandOff, 'settle'>
  readonly #log: Logger
  #timer: NodeJS.Timeout | undefined
  #lastCheckMs = 0

  /** @param slots - all slots at any time */
  constructor(slots: Iterable<WorkerSlot>, handOff: Pick<WorkerHandOff, 'settle'>, log: Logger) {
    this.#slots = slots
    this.#handOff = handOff
    this.#log = log
  }

  /** Begins to watch, at the pace of the shortest heartbeat; does nothing when it watches already. */
  start(): void {
    if (this.#timer !== undefined) return
    const intervalMs = this.#heartbeatMs()
    this.#lastCheckMs = performance.now()
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#check(intervalMs)
      this.start()
    }, intervalMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Restarts every worker's clocks. */
  resetClocks(): void {
    const nowMs = performance.now()
    this.#lastCheckMs = nowMs
    for (const slot of this.#slots) slot.resetClocks(nowMs)
  }

  /** The shortest heartbeat that a worker of any generation was given. */
  #heartbeatMs(): number {
    let shortestMs = idleCheckMs
    for (const { config } of this.#slots) {
      if (config !== undefined) shortestMs = Math.min(shortestMs, config.watchdog.heartbeatMs)
    }
    return shortestMs
  }

  #check(intervalMs: number): void {
    const nowMs = performance.now()
    const pausedMs = pauseSince(this.#lastCheckMs, nowMs, intervalMs)
    this.#lastCheckMs = nowMs
    if (pausedMs > 0) {
      this.#log.warn(
        { pausedMs: Math.round(pausedMs) },
        'This process was paused; restarting the clocks of its workers',
      )
      this.resetClocks()
      return
    }
    // Heartbeats may have arrived without being read yet: read first, judge after.
    setImmediate(() => this.#judge())
  }

  #judge(): void {
    this.#handOff.settle()
    const nowMs = performance.now()
    // The pause may also have come between the check and this.
    if (pauseSince(this.#lastCheckMs, nowMs, 0) > 0) {
      this.resetClocks()
      return
    }
    for (const slot of this.#slots) {
      const { config, inHand } = slot
      const cause = config === undefined ? undefined : verdict(slot, patienceOf(config), nowMs)
      if (cause === undefined) continue
      this.#log.error(
        {
          slot: slot.number,
          generation: slot.generation,
          workerPid: slot.pid,
          cause,
          peer: inHand === undefined ? undefined : peerOf(inHand),
          ageMs: inHand === undefined ? undefined : Math.round(nowMs - inHand.acceptedAtMs),
        },
        'Killing a worker',
      )
      slot.kill(cause)
    }
  }
}
