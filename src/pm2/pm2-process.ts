import cluster from 'node:cluster'
import { ambient, type Environment, serviceEnvironment } from '../config/environment.ts'
import { defaultName } from '../config/locate.ts'
import { exitStatus } from '../errors.ts'
import type { LogDestination } from '../telemetry/logger.ts'
import { visibleLines, withVisibleTexts } from '../visible.ts'
import type { Description } from './description.ts'
import type { Origin } from './dismissal.ts'
import { type AppRecord, recordOf } from './pm2-daemon.ts'
import type { Pm2Event, Pm2Events } from './pm2-events.ts'

/** How long the last output may take to reach pm2, in milliseconds. */
const flushMs = 1_000

/** One process too many; ended on purpose; to be mended by a person first. As in the shipped ecosystem file. */
const finalStatuses = [exitStatus.usage, exitStatus.notRunning, exitStatus.badConfig]

/** This process as one of pm2's: its settings, its messages, its output. */
export class Pm2Process implements LogDestination {
  /** pm2's name of the app, which is the service's name. */
  readonly name = ambient('name') ?? defaultName
  /** pm2's number of this process. */
  readonly id = Number(ambient('pm_id') ?? 0)
  /** Counts an app's processes from 0. */
  readonly instance = Number(ambient(ambient('instance_var') ?? 'NODE_APP_INSTANCE') ?? 0)
  /** Whether a reload starts the next process while this one is still there. */
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
    // What is sent to a pm2 that has just died is lost with it; that the channel closes ends this process.
    process.on('error', () => {})
    // Under pm2 this is a node:cluster worker, whose object hears of it too.
    cluster.worker?.on('error', () => {})
    process.stdout.on('error', () => {})
  }

  /** Says who acts on events from now on, and gives it what has arrived already. */
  onEvent(act: (event: Pm2Event) => void): void {
    this.#events.onEvent(act)
  }

  /**
   * What pm2 has noted of the process that it lists by this one's number; undefined when it lists none.
   *
   * @throws HelloserverError `CONTROL_FAILED` when pm2 does not answer in time
   */
  record(): Promise<AppRecord | undefined> {
    return recordOf(this.id)
  }

  /** Which variables of the service the next process is given, as far as `record` says. */
  environmentOfNext({ environment, folder }: AppRecord): Environment {
    return serviceEnvironment((variable) => environment[variable] ?? ambient(variable), folder)
  }

  /** Tells pm2 that the app is up, which ends its waiting (`wait_ready`). */
  ready(): void {
    process.send?.('ready')
  }

  /**
   * Sets what `pm2 describe` shows of the app beside pm2's own knowledge, and of which process pm2 shows memory and CPU;
   * sent when it is news.
   */
  describe(rows: Description, pid: number): void {
    const data = { human_info: withVisibleTexts(rows), pid }
    const text = JSON.stringify(data)
    if (text === this.#described) return
    this.#described = text
    process.send?.({ type: 'axm:option:configuration', data })
  }

  /** A numeric setting of the ecosystem file, in milliseconds, if pm2 was given it. */
  milliseconds(setting: 'kill_timeout' | 'listen_timeout'): number | undefined {
    return numberOf(ambient(setting))
  }

  /** Whether pm2 is to leave the app alone when this process ends with `status`. */
  isLeftAloneOn(status: number): boolean {
    // In fork mode pm2 does not pass the list on.
    const codes = ambient('stop_exit_codes')?.split(',') ?? finalStatuses.map(String)
    return codes.includes(String(status))
  }

  /** A switch of the ecosystem file. */
  isOn(setting: 'wait_ready'): boolean {
    return ambient(setting) === 'true'
  }

  /** Writes to pm2's log of the app. */
  write(line: string): void {
    process.stdout.write(visibleLines(line))
  }

  /** Writes, and resolves when pm2 has it. */
  show(lines: string | Buffer): Promise<void> {
    return new Promise((resolve) => {
      // In cluster mode pm2 replaces `write` by its own, which calls back in the three-argument form
      // only, and not at all when logs are disabled.
      const timer = setTimeout(resolve, flushMs)
      process.stdout.write(visibleLines(lines.toString()), 'utf8', () => {
        clearTimeout(timer)
        resolve()
      })
    })
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
