import cluster from 'node:cluster'
import { withDeadline } from '../async/with-deadline.ts'
import { ambient, type Environment, serviceEnvironment } from '../config/environment.ts'
import { defaultName } from '../config/locate.ts'
import { located } from '../config/project.ts'
import type { LogDestination } from '../telemetry/logger.ts'
import { visibleLines, withVisibleTexts } from '../visible-text.ts'
import type { Description } from './description.ts'
import type { Origin } from './dismissal.ts'
import { type AppRecord, recordOf } from './pm2-daemon.ts'
import type { Pm2Event, Pm2Events } from './pm2-events.ts'
import { finalStatuses } from './requirements.ts'

/** How long the last output may take to reach pm2, in milliseconds. */
const flushMs = 1_000

/** This process as pm2 sees it: its settings, its messages, its output. */
export class Pm2Process implements LogDestination {
  /** pm2's name of the app, which is also the service's name. */
  readonly name = ambient('name') ?? defaultName
  /** The `cwd` of the ecosystem file's entry, with its links. */
  readonly folder = ambient('pm_cwd') ?? process.cwd()
  /** pm2's number of this process. */
  readonly id = Number(ambient('pm_id') ?? 0)
  /** The number of this process within the app, from 0. */
  readonly instance = Number(ambient(ambient('instance_var') ?? 'NODE_APP_INSTANCE') ?? 0)
  /** Whether a reload starts the next process while this one still runs. */
  readonly isClustered = ambient('exec_mode') === 'cluster_mode'
  readonly origin: Origin = {
    pid: process.pid,
    createdAt: Number(ambient('created_at')),
    restartDelayMs: numberOf(ambient('prev_restart_delay')),
  }
  readonly #events: Pm2Events
  #described = ''

  constructor(events: Pm2Events) {
    this.#events = events
    // A message to a pm2 that has just died is lost; the closing channel ends this process.
    process.on('error', () => {})
    // Under pm2, this process is a node:cluster worker, whose object receives the error too.
    cluster.worker?.on('error', () => {})
    process.stdout.on('error', () => {})
  }

  /** Sets the listener for events, and passes it those that have already arrived. */
  onEvent(act: (event: Pm2Event) => void): void {
    this.#events.onEvent(act)
  }

  /**
   * pm2's record of the process that it lists under this one's number; undefined when it lists none.
   *
   * @throws HelloserverError `CONTROL_FAILED` when pm2 does not answer in time
   */
  record(): Promise<AppRecord | undefined> {
    return recordOf(this.id)
  }

  /** The service's variables that the next process is given, as far as `record` shows them. */
  environmentOfNext({ environment, folder }: AppRecord): Environment {
    const given = serviceEnvironment(
      (variable) => environment[variable] ?? ambient(variable),
      folder,
    )
    try {
      return located(given, this.name, folder ?? this.folder)
    } catch {
      // The next process finds the same error, and reports it.
      return given
    }
  }

  /** Tells pm2 that the app is up, which ends its wait (`wait_ready`). */
  ready(): void {
    process.send?.('ready')
  }

  /**
   * Sets the rows that `pm2 describe` shows besides its own, and the process whose memory and CPU pm2 shows;
   * sent only when they change.
   */
  describe(rows: Description, pid: number): void {
    const data = { human_info: withVisibleTexts(rows), pid }
    const text = JSON.stringify(data)
    if (text === this.#described) return
    this.#described = text
    process.send?.({ type: 'axm:option:configuration', data })
  }

  /** A numeric setting of the ecosystem file, in milliseconds; undefined if pm2 was not given it. */
  milliseconds(setting: 'kill_timeout' | 'listen_timeout'): number | undefined {
    return numberOf(ambient(setting))
  }

  /** Whether pm2 leaves the app stopped when this process ends with `status`. */
  isLeftAloneOn(status: number): boolean {
    // In fork mode, pm2 does not pass the list on.
    const codes = ambient('stop_exit_codes')?.split(',') ?? finalStatuses.map(String)
    return codes.includes(String(status))
  }

  /** A boolean setting of the ecosystem file. */
  isOn(setting: 'wait_ready'): boolean {
    return ambient(setting) === 'true'
  }

  /** Writes to pm2's log of the app. */
  write(line: string): void {
    process.stdout.write(visibleLines(line))
  }

  /** Writes to pm2's log of the app; resolves when pm2 has it. */
  show(lines: string | Buffer): Promise<void> {
    const written = new Promise<void>((resolve) => {
      // In cluster mode, pm2 replaces `write` by its own, which calls back only in the three-argument form, and
      // not at all when logs are disabled.
      process.stdout.write(visibleLines(lines.toString()), 'utf8', () => resolve())
    })
    return withDeadline(written, flushMs, () => {})
  }

  /** Resolves when pm2 has everything that was written. */
  async flush(): Promise<void> {
    await this.show('')
  }
}

function numberOf(text: string | undefined): number | undefined {
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}
