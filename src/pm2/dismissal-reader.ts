import { setTimeout as delay } from 'node:timers/promises'
import type { Environment } from '../config/environment.ts'
import { messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import { type Intent, intentOf } from './dismissal.ts'
import type { AppRecord } from './pm2-daemon.ts'
import type { Dismissal } from './pm2-events.ts'
import type { Pm2Process } from './pm2-process.ts'

/** Ctrl-C reaches a bridge and its pm2 at once; pm2 begins to end the bridge within this many milliseconds. */
const sameKeyMs = 300

/** The meaning of a dismissal for a bridge. */
export type Meaning =
  | { readonly how: 'stop' | 'leave' }
  /** With the environment that the next bridge will get, if pm2 reports it. */
  | { readonly how: 'restart'; readonly environment: Environment | undefined }
  /** The signal did not come from pm2: it is meant for the service. */
  | { readonly how: 'forward'; readonly signal: NodeJS.Signals }

/** Finds out from pm2's record what pm2 means by ending this process: it sends the same in all cases. */
export class DismissalReader {
  readonly #pm2: Pm2Process
  readonly #log: Logger

  constructor(pm2: Pm2Process, log: Logger) {
    this.#pm2 = pm2
    this.#log = log
  }

  /** Reads a dismissal by pm2, or by another sender of the signal that pm2 ends processes with. */
  async read({ by, atMs, signal }: Dismissal): Promise<Meaning> {
    const { origin } = this.#pm2
    const record = await this.#record()
    const intent = intentOf(by, origin, record, atMs)
    if (intent !== 'nothing') return this.#meaningOf(intent, record)
    if (signal !== undefined && signal !== 'SIGINT') return { how: 'forward', signal }
    await delay(sameKeyMs)
    const later = await this.#record()
    return this.#meaningOf(intentOf(by, origin, later, atMs), later)
  }

  /** Whether pm2 is ending this process, whatever has arrived here of that. */
  async isEnding(): Promise<boolean> {
    const record = await this.#record()
    return record?.pid === process.pid && record.status === 'stopping'
  }

  /** Whether pm2 lists this process for the app, rather than one that replaces it. */
  async isListed(): Promise<boolean> {
    const record = await this.#record()
    return record?.pid === process.pid
  }

  #meaningOf(intent: Intent, record: AppRecord | undefined | null): Meaning {
    if (intent === 'stop') return { how: 'stop' }
    if (intent !== 'restart') return { how: 'leave' }
    const environment = record ? this.#pm2.environmentOfNext(record) : undefined
    return { how: 'restart', environment }
  }

  /** pm2's record of this process; `null` when pm2 does not answer. */
  async #record(): Promise<AppRecord | undefined | null> {
    try {
      return await this.#pm2.record()
    } catch (error) {
      this.#log.warn(
        { reason: messageOf(error) },
        'Cannot ask pm2 for its record; treating a restart as a stop',
      )
      return null
    }
  }
}
