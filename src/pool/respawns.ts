import type { Stats } from '../connections/stats.ts'
import { defaultRespawnPolicy as policy, respawnDelayMs } from '../lifecycle/respawn.ts'
import type { Events } from '../telemetry/events.ts'
import type { WorkerSlot } from './slot.ts'
import { describeExit, exitEvent, restartCause, type WorkerExit } from './worker-exit.ts'

/** Starts the workers again that have died: at once, and less and less often while they die again and again. */
export class Respawns {
  readonly #events: Events
  readonly #stats: Stats
  readonly #timers = new Map<WorkerSlot, NodeJS.Timeout>()

  constructor(events: Events, stats: Stats) {
    this.#events = events
    this.#stats = stats
  }

  /** Records the death of a slot's worker, and calls `spawn` when it is time for the next one. */
  begin(slot: WorkerSlot, exit: WorkerExit, spawn: () => void): void {
    const { number, generation, failures } = slot
    const counted = restartCause(exit)
    this.#stats.restarted(counted)
    const delayMs = respawnDelayMs(failures, Math.random(), policy)
    const kind = exitEvent(exit, delayMs)
    const cause = describeExit(exit)
    const death = { slot: number, generation, cause, restartCause: counted, failures, delayMs }
    if (kind !== undefined) this.#events.record(kind, death)
    if (delayMs === 0) {
      spawn()
      return
    }
    slot.backOff()
    const again = () => {
      this.#timers.delete(slot)
      spawn()
    }
    this.#timers.set(slot, setTimeout(again, delayMs))
  }

  /** The slot's next worker is not wanted any more. */
  cancel(slot: WorkerSlot): void {
    clearTimeout(this.#timers.get(slot))
    if (this.#timers.delete(slot)) slot.cancel()
  }
}
