import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs } from '../../src/clock.ts'
import { messageOf } from '../../src/errors.ts'
import { type Cleanup, Cleanups } from '../helpers/cleanup.ts'
import { randomFrom } from '../helpers/random.ts'
import type { Lock } from './contender/messages.ts'
import type { Scene, Setting, Stage } from './fault.ts'
import type { FleetOptions } from './fleet.ts'
import {
  brokenPromises,
  isExcused,
  lateTakeOver,
  type Occurrence,
  type Outcome,
  outcomeOf,
} from './record.ts'
import { type Violation, violationsIn } from './verdict.ts'

/** Time in which nothing happens between two faults, at the least and at the most; milliseconds. */
const restMs = [50, 250] as const

export interface SuiteOptions {
  readonly seed: number
  /** What happens, in order; the run is over at its end, or when time is up. */
  readonly sequence: Iterable<Scene>
  readonly ttlMs: number
  readonly lock?: Lock
  readonly limitMs?: number
}

/** One time that a fault happened, and what it came to. */
export interface Told extends Occurrence {
  readonly outcome: Outcome
}

export interface Result {
  readonly told: Told[]
  /** What must never happen, whatever the fault. */
  readonly violations: Violation[]
  /** What a fault must not lead to, or did not do. */
  readonly broken: string[]
  /** Take-overs that came later than the protocol has it, on a machine that had time for them. */
  readonly late: string[]
  /** Writes that the resource has taken, and those that it refused because their token was old. */
  readonly writes: { accepted: number; refused: number }
}

/** Makes one fault happen after the other to fleets, and judges what they made of it. */
export async function runSuite(t: Cleanup, options: SuiteOptions): Promise<Result> {
  const { seed, sequence, ttlMs, lock = 'shared', limitMs = Infinity } = options
  const result: Result = {
    told: [],
    violations: [],
    broken: [],
    late: [],
    writes: { accepted: 0, refused: 0 },
  }
  const fleetOptions = { lock, ttlMs, random: randomFrom(seed) }
  const untilMs = monotonicMs() + limitMs
  let show: Show | undefined
  // A test that fails must leave nothing behind either.
  t.after(() => show?.close(result))
  for (const { setting, fault } of sequence) {
    if (monotonicMs() > untilMs) break
    if (show?.setting !== setting) {
      await show?.close(result)
      show = undefined
      show = await Show.open(setting, fleetOptions)
    }
    await show.play(fault, result)
    if (fault.spoils || result.broken.length > 0) {
      await show.close(result)
      show = undefined
    }
    if (lock === 'shared' && result.broken.length + result.violations.length > 0) break
  }
  await show?.close(result)
  show = undefined
  return result
}

/** A stage on which faults follow each other. */
class Show {
  readonly setting: Setting
  readonly #stage: Stage
  readonly #cleanups: Cleanups
  readonly #occurrences: Occurrence[] = []

  private constructor(setting: Setting, stage: Stage, cleanups: Cleanups) {
    this.setting = setting
    this.#stage = stage
    this.#cleanups = cleanups
  }

  static async open(setting: Setting, options: FleetOptions): Promise<Show> {
    const cleanups = new Cleanups()
    try {
      const stage = await setting.open(cleanups, options)
      await stage.fleet.holder()
      return new Show(setting, stage, cleanups)
    } catch (error) {
      await cleanups.run()
      throw error
    }
  }

  async play(fault: Scene['fault'], result: Result): Promise<void> {
    const { fleet } = this.#stage
    await fleet.holder()
    const fromMs = monotonicMs()
    try {
      await fault.run(this.#stage)
    } catch (error) {
      result.broken.push(`${fault.name}: ${messageOf(error)}`)
    }
    await delay(fleet.between(...restMs))
    fleet.hearAll()
    const struckMs = fleet.takeStruckMs()
    const { ttlMs } = fleet
    this.#occurrences.push({ fault, fromMs, toMs: monotonicMs(), struckMs, ttlMs })
  }

  /** Ends everything, then judges: only what is over is known as a whole. */
  async close(result: Result): Promise<void> {
    const { fleet } = this.#stage
    await Promise.all(fleet.contenders.map((one) => one.kill()))
    fleet.hearAll()
    await this.#cleanups.run()
    const { history } = fleet
    const occurrences = this.#occurrences
    result.violations.push(...violationsIn(history).filter((one) => !isExcused(one, occurrences)))
    for (const occurrence of occurrences) {
      result.told.push({ ...occurrence, outcome: outcomeOf(history, occurrence) })
      result.broken.push(...brokenPromises(history, occurrence))
      result.late.push(...[lateTakeOver(history, occurrence) ?? []].flat())
    }
    for (const { accepted, refused } of history.claims) {
      result.writes.accepted += accepted
      result.writes.refused += refused
    }
  }
}
