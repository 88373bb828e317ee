import { setTimeout as delay } from 'node:timers/promises'
import type { Contender, TargetName } from './target.ts'

export const operations = ['acquire', 'renew', 'release', 'hand-over'] as const

export type Operation = (typeof operations)[number]

/** The duration of each operation in one round, in milliseconds. */
export interface Round {
  readonly target: TargetName
  /** From 1. The targets of one round are measured directly one after the other. */
  readonly round: number
  readonly samplesMs: Readonly<Record<Operation, readonly number[]>>
}

/** The connections with which one target is measured. */
export interface Stage {
  readonly target: TargetName
  /** Uses a lock without contention. */
  readonly alone: Contender
  /** Both contend for a second lock. */
  readonly pair: readonly [Contender, Contender]
}

export interface Lengths {
  readonly rounds: number
  /** Acquisitions, renewals and releases of each lock in a round. */
  readonly cycles: number
  /** Hand-overs of each lock in a round. */
  readonly handOvers: number
}

/**
 * How long the waiter waits before the holder releases the lock, in milliseconds: long enough that all have asked,
 * and spread, so that the release falls anywhere between two looks of a waiter that polls.
 */
const waitMs = [20, 220] as const

/** Long enough for V8's compiler to settle on its treatment of the hot functions. */
const warmUp = { rounds: 1, cycles: 30_000, handOvers: 2 }

/**
 * Measures in the order A B C, A B C and so on, so that other activity on the machine affects all targets alike.
 *
 * @param progress - receives one line for each round
 */
export async function measureAll(
  stages: readonly Stage[],
  lengths: Lengths,
  progress: (line: string) => void,
  signal: AbortSignal,
): Promise<Round[]> {
  progress('Warming up')
  for (const stage of stages) await measure(stage, 0, warmUp, signal)
  const measured: Round[] = []
  for (let round = 1; round <= lengths.rounds; round += 1) {
    for (const stage of stages) {
      progress(`Round ${round}: ${stage.target}`)
      measured.push(await measure(stage, round, lengths, signal))
    }
  }
  return measured
}

async function measure(
  { target, alone, pair }: Stage,
  round: number,
  { cycles, handOvers }: Lengths,
  signal: AbortSignal,
): Promise<Round> {
  const samplesMs: Record<Operation, number[]> = {
    acquire: [],
    renew: [],
    release: [],
    'hand-over': [],
  }
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    signal.throwIfAborted()
    samplesMs.acquire.push(await timed(() => alone.acquire()))
    samplesMs.renew.push(await timed(() => alone.renew()))
    samplesMs.release.push(await timed(() => alone.release()))
  }
  let [holder, waiter] = pair
  await holder.acquire()
  for (let handOver = 0; handOver < handOvers; handOver += 1) {
    signal.throwIfAborted()
    samplesMs['hand-over'].push(await handOverMs(holder, waiter))
    ;[holder, waiter] = [waiter, holder]
  }
  await holder.release()
  return { target, round, samplesMs }
}

/** The time from the beginning of the holder's release until the waiter has the lock. */
async function handOverMs(holder: Contender, waiter: Contender): Promise<number> {
  const acquired = waiter.acquire()
  const [least, most] = waitMs
  await delay(least + Math.random() * (most - least))
  const beganMs = performance.now()
  const released = holder.release()
  await acquired
  const tookMs = performance.now() - beganMs
  await released
  return tookMs
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now()
  await work()
  return performance.now() - beganMs
}
