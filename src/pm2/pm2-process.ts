import cluster from 'node:cluster'
import { ambient } from '../config/environment.ts'
import { defaultName } from '../config/locate.ts'
import type { LogDestination } from '../telemetry/logger.ts'
import { visibleLines, withVisibleTexts } from '../visible.ts'
import type { Description } from './description.ts'
import type { Pm2Event, Pm2Events } from './pm2-events.ts'

/** How long the last output may take to reach pm2, in milliseconds. */
const flushMs = 1_000

/** This process as one of pm2's: its settings, its messages, its output. */
export class Pm2Process implements LogDestination {
  /** pm2's name of the app, which is the service's name. */
  readonly name = ambient('name') ?? defaultName
  /** pm2's number of this process. */
  readonly id = Number(ambient('pm_id') ?? 0)
  /** Counts an app's processes from 0. */
  readonly instance = Number(ambient('NODE_APP_INSTANCE') ?? 0)
  readonly #events: Pm2Events
  #described = ''

  constructor(events: Pm2Events) {
    this.#events = events
    // What is sent to a pm2 that has just died is lost with it; that the channel closes ends this process.
    process.on('error', () => {})
    // Under pm2 this is a node:cluster worker, whose object hears of it too.
    cluster.worker?.on('error', () => {})
  }

  /** Says who acts on events from now on, and gives it what has arrived already. */
  onEvent(act: (event: Pm2Event) => void): void {
    this.#events.onEvent(act)
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
    const value = Number(ambient(setting))
    return Number.isFinite(value) ? value : undefined
  }

  /** A switch of the ecosystem file. */
  isOn(setting: 'wait_ready' | 'shutdown_with_message'): boolean {
    return ambient(setting) === 'true'
  }

  /** Whether the ecosystem file has pm2 leave the app alone when this process ends with `status`. */
  isLeftAloneOn(status: number): boolean {
    return (ambient('stop_exit_codes') ?? '').split(',').includes(String(status))
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
