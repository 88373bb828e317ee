import { setTimeout as delay } from 'node:timers/promises'
import type { RunFiles } from '../config/run-dir.ts'
import type { ControlClient } from '../control/client.ts'
import { connectTo } from '../control/connect.ts'
import type { Method, Params, Results } from '../control/protocol.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Pm2Process } from './pm2-process.ts'

/** How long a reload of pm2's may take from the new bridge's upgrade to the end of the old bridge, in milliseconds. */
const replaceWithinMs = 10_000

export interface ServiceLinkOptions {
  readonly files: RunFiles
  readonly pm2: Pick<Pm2Process, 'instance'>
  readonly log: Logger
  /** Aborted when this bridge follows the service no further. */
  readonly signal: AbortSignal
  /** Resolves when pm2 wants this process to go. */
  readonly dismissed: Promise<void>
  /** Another bridge speaks for the service now: its process, if the primary says which. */
  readonly onSuperseded: (pid: number | undefined) => void
  /** The primary is gone. */
  readonly onHungUp: () => void
}

/** The primary that a bridge is attached to, and what that one said. */
interface Attachment {
  readonly client: ControlClient
  readonly attached: Results['attach']
}

/** A bridge's connection to the process that is the service, also when that becomes another one. */
export class ServiceLink {
  readonly #options: ServiceLinkOptions
  /** The primary's control socket; undefined when this bridge cannot speak with the service any more. */
  #client: Promise<ControlClient> | undefined
  #primaryPid: number | undefined
  #isDraining = false
  /** A primary has said that this bridge comes for a restart; the one after it may not know. */
  #isRestart = false

  constructor(options: ServiceLinkOptions) {
    this.#options = options
  }

  /** The process that is the service; undefined until this bridge has attached. */
  get primaryPid(): number | undefined {
    return this.#primaryPid
  }

  /** Whether the service ends on purpose. */
  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Whether the service is one that this bridge cannot speak with. */
  get isLeftBehind(): boolean {
    return this.#client === undefined
  }

  /** Attaches to a primary; to its successor if it is no longer the service when it hears of that. */
  async attach(client: ControlClient): Promise<Results['attach']> {
    const { attached } = await this.#attach(client)
    return { ...attached, restarting: this.#isRestart }
  }

  async #attach(client: ControlClient): Promise<Attachment> {
    const { pm2, signal, onSuperseded, onHungUp } = this.#options
    const mine = Promise.resolve(client)
    this.#client = mine
    let next: Promise<Attachment> | undefined
    const follow = () => (next ??= this.#follow())
    void client.handedOver.then(() => {
      // One that another bridge has superseded would supersede that one there. That it cannot is told where it is tried.
      if (!signal.aborted) void follow()
    })
    client.on('superseded', ({ pid }) => onSuperseded(pid))
    client.on('draining', () => {
      this.#isDraining = true
    })
    void client.closed.then(() => {
      // A predecessor hangs up when it has finished what it had in hand.
      if (this.#client === mine) onHungUp()
    })
    try {
      const attached = await client.request('attach', {
        pid: process.pid,
        instance: pm2.instance,
      })
      this.#isRestart ||= attached.restarting === true
      if (next === undefined) {
        this.#primaryPid = attached.status.pid
        return { client, attached }
      }
    } catch (error) {
      if (codeOf(error) !== 'HANDED_OVER') throw error
    }
    return follow()
  }

  /** Another process has become the service: this is its bridge from now on. */
  #follow(): Promise<Attachment> {
    const following = connectTo(this.#options.files).then((client) => this.#attach(client))
    this.#client = following.then(({ client }) => client)
    this.#client.catch((error: unknown) => this.#leftBehind(error))
    return following
  }

  /**
   * The service is of a release that this bridge cannot speak with, or is gone. If pm2 is about to replace this
   * process, by one of that release, it must be here to be replaced; if not, pm2 starts that one when it ends.
   */
  async #leftBehind(cause: unknown): Promise<void> {
    const { log, dismissed, onHungUp } = this.#options
    log.warn(
      { reason: messageOf(cause) },
      'Cannot follow the service; leaving it to the next bridge',
    )
    this.#client = undefined
    await Promise.race([dismissed, delay(replaceWithinMs)])
    onHungUp()
  }

  /** Asks the process that is the service. */
  request<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    return this.call((client) => client.request(method, params))
  }

  /** Turns to the process that is the service, also when that becomes another one meanwhile. */
  async call<T>(use: (client: ControlClient) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await use(await this.#current())
      } catch (error) {
        // By then, this bridge is on its way to the process that is the service now, or was left behind.
        if (codeOf(error) !== 'HANDED_OVER' || this.#client === undefined) throw error
      }
    }
  }

  /** Hangs up, if there is anybody to hang up on. */
  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    client?.close()
  }

  #current(): Promise<ControlClient> {
    return this.#client ?? Promise.reject(new Error('This bridge cannot speak with the service'))
  }
}
