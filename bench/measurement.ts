import type { Bench } from './bench.ts'
import { type LoadReport, type LoadRequest, runLoad } from './load.ts'
import { cpuUsOf } from './process-table.ts'
import type { Figures } from './sample.ts'
import type { RunningTarget, TargetName } from './targets/target.ts'

/** A target that has been started. */
export interface StartedTarget {
  readonly name: TargetName
  readonly port: number
  readonly workers: number
  readonly running: RunningTarget
  /** Its processes once it was up. */
  readonly pids: ReadonlySet<number>
}

/** A load and its cost to the server. */
export interface Measured {
  readonly report: LoadReport
  /** Processor time of all the server's processes, in microseconds. */
  readonly cpuUs: number
}

/** The processor time that the target's processes, and those that they have replaced, use during some work. */
export async function withCpu<T>(
  { running }: StartedTarget,
  work: () => Promise<T>,
): Promise<{ result: T; cpuUs: number }> {
  const before = await cpuUsOf(await running.pids())
  const result = await work()
  return { result, cpuUs: (await cpuUsOf(await running.pids())) - before }
}

/**
 * Puts load on one target and measures.
 *
 * @throws Error when the load generator fails, or when the target loses a process: a server that does is not the one
 * to be measured
 */
export async function measure(
  bench: Bench,
  target: StartedTarget,
  request: Omit<LoadRequest, 'port'>,
): Promise<Measured> {
  const { program, signal } = bench
  const before = await target.running.pids()
  const load = () => runLoad(program, { ...request, port: target.port }, signal)
  const { result: report, cpuUs } = await withCpu(target, load)
  const after = new Set(await target.running.pids())
  // A process that it had from the start: supervisors also have helpers that come and go.
  const lost = before.find((pid) => target.pids.has(pid) && !after.has(pid))
  if (lost !== undefined) throw new Error(`Target ${target.name} lost process ${lost} under load`)
  return { report, cpuUs }
}

const toMs = (us: number | undefined): number | null => (us === undefined ? null : us / 1000)

/** The figures of a load. Those that need a good connection are null when there was none. */
export function figuresOf({ report, cpuUs }: Measured): Figures {
  const { ok, connectionsPerSecond, latencyUs, cpuSeconds, seconds, processes } = report
  return {
    connectionsPerSecond,
    p50Ms: toMs(latencyUs?.p50),
    p99Ms: toMs(latencyUs?.p99),
    maxMs: toMs(latencyUs?.max),
    cpuUsPerConnection: ok > 0 ? cpuUs / ok : null,
    // Near 100, the generator set the pace.
    generatorPercent: seconds > 0 ? (100 * cpuSeconds) / (seconds * processes) : null,
  }
}
