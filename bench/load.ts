import { runOrThrow } from './command.ts'

/** The parameters of one run of the load generator. */
export interface LoadRequest {
  port: number
  clients: number
  seconds: number
  lineBytes: number
}

/** The ways in which a connection can fail, by the load generator's names. */
export const failureKinds = ['refused', 'reset', 'short', 'wrong', 'timeout', 'other'] as const

export type Failures = Record<(typeof failureKinds)[number], number>

/** The results of one run of the load generator. Latency is null when no connection ended well. */
export interface LoadReport {
  ok: number
  failures: Failures
  connectionsPerSecond: number
  latencyUs: { p50: number; p99: number; max: number } | null
  cpuSeconds: number
}

function objectIn(value: unknown, what: string): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return { ...value }
  throw new Error(`Load generator wrote ${JSON.stringify(value)}, expected ${what}`)
}

function numberIn(fields: Record<string, unknown>, key: string): number {
  const value = fields[key]
  if (typeof value === 'number') return value
  throw new Error(`Load generator wrote ${key} ${JSON.stringify(value)}, expected a number`)
}

function decodeLatency(value: unknown): LoadReport['latencyUs'] {
  if (value === null) return null
  const fields = objectIn(value, 'an object of latencies')
  return {
    p50: numberIn(fields, 'p50'),
    p99: numberIn(fields, 'p99'),
    max: numberIn(fields, 'max'),
  }
}

function decode(text: string): LoadReport {
  const fields = objectIn(JSON.parse(text), 'an object')
  const failures: Failures = { refused: 0, reset: 0, short: 0, wrong: 0, timeout: 0, other: 0 }
  for (const kind of failureKinds) failures[kind] = numberIn(fields, kind)
  return {
    ok: numberIn(fields, 'ok'),
    failures,
    connectionsPerSecond: numberIn(fields, 'connectionsPerSecond'),
    latencyUs: decodeLatency(fields.latencyUs),
    cpuSeconds: numberIn(fields, 'cpuSeconds'),
  }
}

/**
 * Puts load on a port of 127.0.0.1 and waits until the load ends.
 *
 * @param program path of the compiled load generator
 * @param request port, concurrent clients, seconds, length of the line with its CRLF
 * @param signal its abort ends the load
 * @throws Error when the load generator could not complete, or wrote something other than a report
 */
export async function runLoad(
  program: string,
  request: LoadRequest,
  signal: AbortSignal,
): Promise<LoadReport> {
  const args = [
    `--port=${request.port}`,
    `--clients=${request.clients}`,
    `--seconds=${request.seconds}`,
    `--line-bytes=${request.lineBytes}`,
  ]
  // Connections under way at the end may take their full 10 s to time out.
  const timeoutMs = request.seconds * 1000 + 30_000
  return decode(await runOrThrow('Load generator', program, args, { timeoutMs, signal }))
}
