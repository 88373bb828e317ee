import type { Config } from '../config/load.ts'
import { visibleJson } from '../visible-text.ts'
import { createLogger, type LogDestination, type Logger } from './logger.ts'
import { Syslog } from './syslog.ts'

/** A destination that may have lines to write when it is closed. */
type Closable = LogDestination & { close?(): Promise<void> }

/** The log of a whole service: its primary's lines and its workers' output, to a file or a terminal, and to syslog. */
export class ServiceLog implements LogDestination {
  readonly logger: Logger
  readonly #service: string
  readonly #destination: Closable
  #syslog: Syslog | undefined
  #target = 'off'

  constructor(service: string, destination: Closable) {
    this.#service = service
    this.#destination = destination
    this.logger = createLogger({ service, role: 'primary' }, 'info', this)
  }

  /** Writes a JSON line that ends in a newline, with every character made visible for terminals. */
  write(whole: string): void {
    const line = `${visibleJson(whole.slice(0, -1))}\n`
    this.#destination.write(line)
    this.#syslog?.write(line)
  }

  /** Applies a configuration's log settings from now on. */
  apply({ logLevel, log }: Pick<Config, 'logLevel' | 'log'>): void {
    this.logger.level = logLevel
    if (log.syslog === this.#target) return
    this.#target = log.syslog
    void this.#syslog?.close()
    this.#syslog = log.syslog === 'off' ? undefined : this.#open(log.syslog)
  }

  /** Resolves when the last lines have been sent. */
  async close(): Promise<void> {
    await Promise.all([this.#syslog?.close(), this.#destination.close?.()])
  }

  #open(target: string): Syslog {
    const onTrouble = (reason: string) =>
      this.logger.warn(
        { target, reason },
        'Cannot send log lines to syslog; retrying, and keeping them in this log',
      )
    return new Syslog({ target, service: this.#service, pid: process.pid, onTrouble })
  }
}
