import { availableParallelism } from 'node:os'
import { outputOf, startCommand } from './command.ts'

/** A load through TLS. */
export interface TlsLoad {
  /** The load generator that speaks it. */
  readonly program: string
  /** Whether each client resumes the session of its last connection, where the server lets it. */
  readonly resumes: boolean
}

/** The parameters of one run of the load generator. */
export interface LoadRequest {
  readonly port: number
  readonly clients: number
  readonly seconds: number
  /** The length of the line that each client sends, prefix and CRLF included. */
  readonly lineBytes: number
  /** The first bytes of each line, which ask the server for work. */
  readonly prefix?: string
  /** Further clients that connect and send nothing. */
  readonly idle?: number
  readonly tls?: TlsLoad
}

/** The ways in which a connection can fail, by the load generator's names. */
export const failureKinds = ['refused', 'reset', 'short', 'wrong', 'timeout', 'other'] as const

export type Failures = Readonly<Record<(typeof failureKinds)[number], number>>

/** The most processes that the load generator has. */
const processesMost = 64

export const noFailures: Failures = {
  refused: 0,
  reset: 0,
  short: 0,
  wrong: 0,
  timeout: 0,
  other: 0,
}

/** The results of one run of the load generator. Latency is null when no connection ended well. */
export interface LoadReport {
  readonly ok: number
  readonly failures: Failures
  readonly seconds: number
  readonly connectionsPerSecond: number
  readonly latencyUs: { readonly p50: number; readonly p99: number; readonly max: number } | null
  /** The idle clients that were still connected at the end. */
  readonly idleOpen: number
  /** The processes that shared the clients, and the processor time of all. */
  readonly processes: number
  readonly cpuSeconds: number
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

/** @throws Error when the text is no report */
export function decodeReport(text: string): LoadReport {
  const fields = objectIn(JSON.parse(text), 'an object')
  const failures = { ...noFailures }
  for (const kind of failureKinds) failures[kind] = numberIn(fields, kind)
  return {
    ok: numberIn(fields, 'ok'),
    failures,
    seconds: numberIn(fields, 'seconds'),
    connectionsPerSecond: numberIn(fields, 'connectionsPerSecond'),
    latencyUs: decodeLatency(fields.latencyUs),
    idleOpen: numberIn(objectIn(fields['idle'], 'an object of idle clients'), 'open'),
    processes: numberIn(fields, 'processes'),
    cpuSeconds: numberIn(fields, 'cpuSeconds'),
  }
}

/** A load that has been started. */
export interface RunningLoad {
  readonly pid: number | undefined
  /** Ends it before its time; the report has what it counted so far. */
  readonly stop: () => void
  readonly report: Promise<LoadReport>
}

/**
 * Puts load on a port of 127.0.0.1. As many processes as there are processors share the clients: a single one would
 * set the pace of the fastest servers.
 *
 * @param program path of the compiled load generator
 * @param signal its abort ends the load, and the report is rejected
 */
export function startLoad(program: string, request: LoadRequest, signal: AbortSignal): RunningLoad {
  const { port, clients, seconds, lineBytes, prefix = '', idle = 0, tls } = request
  const args = [
    `--port=${port}`,
    `--clients=${clients}`,
    `--seconds=${seconds}`,
    `--line-bytes=${lineBytes}`,
    `--prefix=${prefix}`,
    `--idle=${idle}`,
    `--processes=${Math.min(availableParallelism(), processesMost)}`,
    ...(tls?.resumes === true ? ['--resume'] : []),
  ]
  // Connections under way at the end may take their full 10 s to time out.
  const timeoutMs = seconds * 1000 + 30_000
  const { pid, ended, stop } = startCommand(tls?.program ?? program, args, { timeoutMs, signal })
  return { pid, stop, report: reportOf(ended) }
}

async function reportOf(ended: ReturnType<typeof startCommand>['ended']): Promise<LoadReport> {
  return decodeReport(outputOf('Load generator', await ended))
}

/**
 * Puts load on a port and waits until it ends; the parameters are those of `startLoad`.
 *
 * @throws Error when the load generator could not complete, or wrote something other than a report
 */
export function runLoad(...load: Parameters<typeof startLoad>): Promise<LoadReport> {
  return startLoad(...load).report
}
