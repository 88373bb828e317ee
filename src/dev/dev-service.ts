import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Environment } from '../config/environment.ts'
import { type RunFiles, runFiles } from '../config/run-dir.ts'
import { callService } from '../control/call.ts'
import { ControlClient } from '../control/control-client.ts'
import { debuggerArguments } from '../process/debugger.ts'
import type { ReloadResult, Status } from '../status.ts'
import { lines } from '../telemetry/lines.ts'

const tethered = fileURLToPath(new URL('../bin/tethered.js', import.meta.url))

/** How often a starting service is asked whether it serves, in milliseconds. */
const lookEveryMs = 30
/** The length to which its standard error is kept, in characters. */
const maxErrorLength = 4_000

/** How the process of a service has ended. */
export interface Ended {
  /** Its exit status; null when a signal ended it. */
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  /** The service's own reason for failing to start; undefined when it started. */
  readonly reason: string | undefined
  /** The kind of that error. */
  readonly code: string | undefined
}

/** A line of the service's log, decoded; other output is a line with `msg` alone. */
export interface OutputLine {
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>> | undefined
}

/**
 * A service in a process of its own, so that its start can fail and be tried again.
 *
 * It has a session of its own: a terminal's Ctrl-C reaches only the process that started it, which passes the signal
 * on once. It ends when that process does (`src/bin/tethered.ts`).
 */
export class DevService {
  readonly #files: RunFiles
  readonly #child: ChildProcess
  readonly #onLine: (line: OutputLine) => void
  /** Resolves when the process is gone. */
  readonly ended: Promise<Ended>
  #fatal: { readonly reason?: unknown; readonly code?: unknown } | undefined
  #errors = ''

  constructor(name: string, environment: Environment, onLine: (line: OutputLine) => void) {
    this.#files = runFiles(name, environment)
    this.#onLine = onLine
    this.#child = spawn(process.execPath, [...debuggerArguments, tethered, name], {
      env: environment,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    })
    this.#child.stdout?.on(
      'data',
      lines(
        (line) => this.#receive(line.toString()),
        () => {},
      ),
    )
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#errors = `${this.#errors}${chunk.toString()}`.slice(-maxErrorLength)
    })
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(this.#endedWith(null, null, error.message)))
      this.#child.once('close', (status, signal) => resolve(this.#endedWith(status, signal)))
    })
  }

  /** Resolves with the service's status when it serves or stands by, or with its end. */
  async started(): Promise<Status | Ended> {
    for (;;) {
      const end = await Promise.race([this.ended, delay(lookEveryMs)])
      if (end !== undefined) return end
      const status = await this.status().catch(() => undefined)
      // Another service of this name may have the control socket: then this one is about to end.
      if (status !== undefined && status.pid === this.#child.pid && hasStarted(status))
        return status
    }
  }

  status(): Promise<Status> {
    return callService(
      () => ControlClient.connect(this.#files.socketFile),
      (client) => client.request('status', {}),
    )
  }

  /** Reloads; the reload may fail. */
  reload(cause: string): Promise<ReloadResult> {
    return callService(
      () => ControlClient.connect(this.#files.socketFile),
      (client) => client.request('reload', { cause: cause.slice(0, maxCauseLength) }),
    )
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  #receive(text: string): boolean {
    const fields = fieldsIn(text)
    if (fields?.['level'] === 'fatal') this.#fatal = fields
    this.#onLine({ text, fields })
    return true
  }

  #endedWith(status: number | null, signal: NodeJS.Signals | null, problem?: string): Ended {
    const { reason = problem ?? lastOf(this.#errors), code } = this.#fatal ?? {}
    return {
      status,
      signal,
      reason: typeof reason === 'string' && status !== 0 ? reason : undefined,
      code: typeof code === 'string' ? code : undefined,
    }
  }
}

const maxCauseLength = 200

/** Whether a service serves, or stands by for a reason: on its way to serving, it does so for a moment without one. */
function hasStarted({ state, waiting, lease }: Status): boolean {
  if (state === 'standby') return (waiting ?? lease) !== null
  return state === 'serving' || state === 'degraded'
}

function fieldsIn(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!text.startsWith('{')) return undefined
  try {
    return JSON.parse(text) as Readonly<Record<string, unknown>>
  } catch {
    // The runtime's own words.
    return undefined
  }
}

/** The last line of a process that ended before it could log, without the name in front of it. */
function lastOf(errors: string): string | undefined {
  return errors
    .trim()
    .split('\n')
    .at(-1)
    ?.replace(/^[\w.-]+: /, '')
}
