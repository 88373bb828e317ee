import { type Failures, type LoadReport, type LoadRequest, runLoad } from './load.ts'
import { cpuUsByPid } from './process-table.ts'
import type { RunningTarget, TargetName } from './targets/target.ts'

/** One measurement of one target. Figures that need a good connection are null when there was none. */
export interface Measurement {
  target: TargetName
  clients: number
  /** From 1. Measurements of one round follow each other directly and are compared as pairs. */
  round: number
  connectionsPerSecond: number
  p50Ms: number | null
  p99Ms: number | null
  maxMs: number | null
  /** CPU time of all the server's processes, per good connection. */
  cpuUsPerConnection: number | null
  ok: number
  failures: Failures
  /** CPU time of the load generator. If it is close to the duration of the round, the generator was the bottleneck. */
  loadCpuSeconds: number
}

/** A target that has been started. */
export interface StartedTarget {
  name: TargetName
  port: number
  running: RunningTarget
}

async function cpuUsed(
  target: StartedTarget,
  work: () => Promise<LoadReport>,
): Promise<{ report: LoadReport; cpuUs: number }> {
  const before = await cpuUsByPid(await target.running.pids())
  const report = await work()
  const after = await cpuUsByPid(await target.running.pids())
  let cpuUs = 0
  for (const [pid, used] of after) cpuUs += used - (before.get(pid) ?? 0)
  for (const pid of before.keys()) {
    // The CPU time of a lost process is unknown, and a server that loses processes is not the one to be measured.
    if (!after.has(pid)) throw new Error(`Target ${target.name} lost process ${pid} under load`)
  }
  return { report, cpuUs }
}

const toMs = (us: number | undefined): number | null => (us === undefined ? null : us / 1000)

/**
 * Puts load on one target and measures.
 *
 * @param program path of the load generator
 * @throws Error when the load generator fails, or when the target loses a process
 */
export async function measure(
  program: string,
  target: StartedTarget,
  round: number,
  request: Omit<LoadRequest, 'port'>,
  signal: AbortSignal,
): Promise<Measurement> {
  const load = () => runLoad(program, { ...request, port: target.port }, signal)
  const { report, cpuUs } = await cpuUsed(target, load)
  return {
    target: target.name,
    clients: request.clients,
    round,
    connectionsPerSecond: report.connectionsPerSecond,
    p50Ms: toMs(report.latencyUs?.p50),
    p99Ms: toMs(report.latencyUs?.p99),
    maxMs: toMs(report.latencyUs?.max),
    cpuUsPerConnection: report.ok > 0 ? cpuUs / report.ok : null,
    ok: report.ok,
    failures: report.failures,
    loadCpuSeconds: report.cpuSeconds,
  }
}
