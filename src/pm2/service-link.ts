import { withDeadline } from '../async/with-deadline.ts'
import type { RunFiles } from '../config/run-dir.ts'
import { connectTo } from '../control/connect.ts'
import type { ControlClient } from '../control/control-client.ts'
import type { Method, Params, Results } from '../control/protocol.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Pm2Process } from './pm2-process.ts'

/** How long a pm2 reload may take from the new bridge's upgrade to the end of the old bridge, in milliseconds. */
const replaceWithinMs = 10_000

export interface ServiceLinkOptions {
  readonly files: RunFiles
  readonly pm2: Pick<Pm2Process, 'instance'>
  readonly log: Logger
  /** Aborted when this bridge stops following the service. */
  readonly signal: AbortSignal
  /** Resolves when pm2 wants this process to go. */
  readonly dismissed: Promise<void>
  /** Called when another bridge takes over the service, with its process if the primary names it. */
  readonly onSuperseded: (pid: number | undefined) => void
  /** Called when the primary is gone. */
  readonly onHungUp: () => void
}

/** The primary that a bridge is attached to, and its answer. */
interface Attachment {
  readonly client: ControlClient
  readonly attached: Results['attach']
}

/** A bridge's connection to the service, which follows the service from one process to the next. */
export class ServiceLink {
  readonly #options: ServiceLinkOptions
  /** The primary's control socket; undefined once this bridge can no longer talk to the service. */
  #client: Promise<ControlClient> | undefined
  #primaryPid: number | undefined
  #isDraining = false
  /** Whether a primary has said that this bridge comes for a restart; the primary's successor may not know. */
  #isRestart = false

  constructor(options: ServiceLinkOptions) {
    this.#options = options
  }

  /** The service's process; undefined until this bridge has attached. */
  get primaryPid(): number | undefined {
    return this.#primaryPid
  }

  /** Whether the service is ending on purpose. */
  get isDraining(): boolean {
    return this.#isDraining
  }

  /** Whether this bridge can no longer talk to the service. */
  get isLeftBehind(): boolean {
    return this.#client === undefined
  }

  /** Attaches to a primary, or to its successor if it has handed over by then. */
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
      // A superseded bridge must not follow: it would supersede the other bridge there. `#follow` reports its
      // own failure.
      if (!signal.aborted) void follow()
    })
    client.on('superseded', ({ pid }) => onSuperseded(pid))
    client.on('draining', () => {
      this.#isDraining = true
    })
    void client.closed.then(() => {
      // A predecessor closes the connection once it has finished its active connections.
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

  /** Follows the service to another process, which this bridge attaches to. */
  #follow(): Promise<Attachment> {
    const following = connectTo(this.#options.files).then((client) => this.#attach(client))
    this.#client = following.then(({ client }) => client)
    this.#client.catch((error: unknown) => this.#leftBehind(error))
    return following
  }

  /**
   * The service is gone, or of a release that this bridge cannot talk to. If pm2 is about to replace this
   * process by one of that release, the process must still be here to be replaced; if not, pm2 starts that one
   * when this process ends.
   */
  async #leftBehind(cause: unknown): Promise<void> {
    const { log, dismissed, onHungUp } = this.#options
    log.warn(
      { reason: messageOf(cause) },
      'Cannot follow the service; leaving it to the next bridge',
    )
    this.#client = undefined
    await withDeadline(dismissed, replaceWithinMs, () => {})
    onHungUp()
  }

  /** Sends a request to the service. */
  request<M extends Method>(method: M, params: Params<M>): Promise<Results[M]> {
    return this.call((client) => client.request(method, params))
  }

  /** Calls `use` with a connection to the service, and again if the service has moved to another process. */
  async call<T>(use: (client: ControlClient) => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await use(await this.#current())
      } catch (error) {
        // By then, this bridge is following the service to its new process, or has been left behind.
        if (codeOf(error) !== 'HANDED_OVER' || this.#client === undefined) throw error
      }
    }
  }

  /** Closes the connection, if there is one. */
  async close(): Promise<void> {
    const client = await this.#client?.catch(() => undefined)
    client?.close()
  }

  #current(): Promise<ControlClient> {
    return this.#client ?? Promise.reject(new Error('This bridge cannot talk to the service'))
  }
}
