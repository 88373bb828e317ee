import { once } from 'node:events'
import type { Server } from 'node:http'
import { type AdminSettings, adminSettings } from '../config/admin.ts'
import type { Config } from '../config/load.ts'
import { addressOf } from '../config/admin-address.ts'
import { type Endpoint, endpointText, isSameEndpoint } from '../endpoint.ts'
import { codeOf, messageOf } from '../errors.ts'
import { Attempts, type Pace } from '../network/attempts.ts'
import { bindFailure } from '../network/bind-failure.ts'
import { resolveHost } from '../network/resolve.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Admission } from './admission.ts'
import { Live } from './live.ts'
import { routesTo } from './routes.ts'
import { createSite } from './site.ts'
import type { AdminTarget } from './target.ts'

/** How often a page that cannot listen tries again: a predecessor lets go of the address in a moment. */
const pace: Pace = { baseMs: 20, capMs: 1_000 }
/** A successor finds the address taken for no longer, in milliseconds: after that, somebody else has it. */
const letGoWithinMs = 2_000

/** A change of the page's settings; it ends in one of the two. */
export interface PageMove {
  finish(): Promise<void>
  cancel(): Promise<void>
}

/** What listens. It answers nobody before it has its settings: those of another address may be laxer. */
interface Open {
  readonly server: Server
  readonly address: Endpoint
  settings: AdminSettings | undefined
}

/** The web page of a service, with health and metrics: off unless `admin.http` says where. */
export class Admin {
  readonly #log: Logger
  readonly #target: AdminTarget
  readonly #live: Live
  readonly #admission = new Admission()
  readonly #attempts = new Attempts()
  /** The configuration to listen by, while that is tried again and again. */
  #tried: (() => Config) | undefined
  #attempt: Promise<boolean> = Promise.resolve(true)
  #told: string | undefined
  #open: Open | undefined
  #routes: ReturnType<typeof routesTo> | undefined
  #isClosed = false

  constructor(target: AdminTarget, log: Logger) {
    this.#log = log
    this.#target = target
    this.#live = new Live(target)
  }

  /**
   * Listens as the configuration says, if it does. A service matters more than its page: where the host does not have
   * the address yet, that is tried until it works.
   *
   * @param config - what runs: a reload may change it meanwhile
   * @throws HelloserverError `ADDRESS_TAKEN` or `BAD_CONFIG`
   */
  async open(config: () => Config): Promise<void> {
    try {
      await (await this.#begin(config())).finish()
    } catch (error) {
      if (codeOf(error) !== 'ADDRESS_ABSENT') throw error
      this.#tell(error)
      this.#keepTrying(config)
    }
  }

  /** Listens as the configuration says, as soon as the predecessor has let go of the address. */
  takeOver(config: () => Config): void {
    const lateMs = performance.now() + letGoWithinMs
    this.#keepTrying(config, (error) => {
      if (codeOf(error) !== 'ADDRESS_TAKEN' || performance.now() > lateMs) this.#tell(error)
    })
  }

  /**
   * Begins to listen at another address, when the configuration has one; what listens already goes on until `finish`.
   *
   * @throws HelloserverError `ADDRESS_TAKEN`, `ADDRESS_ABSENT` or `BAD_CONFIG`; nothing has changed then
   */
  async move(config: Config): Promise<PageMove> {
    // One attempt at a time: two would take the address from each other.
    this.#attempts.stop()
    await this.#attempt
    const resume = () => {
      if (this.#tried !== undefined) this.#keepTrying(this.#tried)
    }
    try {
      const move = await this.#begin(config)
      return {
        finish: async () => {
          this.#tried = undefined
          await move.finish()
        },
        cancel: async () => {
          await move.cancel()
          resume()
        },
      }
    } catch (error) {
      // The address that was waited for before is no reason against a reload now.
      const isAwaited = codeOf(error) === 'ADDRESS_ABSENT' && this.#awaits(config)
      if (isAwaited) return { finish: async () => resume(), cancel: async () => resume() }
      resume()
      throw error
    }
  }

  /** Lets go of the address at once; good to call twice, and synchronous for a fatal signal's handler. */
  close(): void {
    this.#isClosed = true
    this.#attempts.stop()
    this.#live.stop()
    close(this.#open)
    this.#open = undefined
  }

  async #begin(config: Config): Promise<PageMove> {
    const settings = adminSettings(config.admin, config.directory)
    const next = settings === undefined ? undefined : await this.#opened(settings.address)
    return {
      finish: async () => {
        if (next !== this.#open) close(this.#open)
        this.#open = next
        this.#settle(settings)
      },
      cancel: async () => {
        if (next !== this.#open) close(next)
      },
    }
  }

  #keepTrying(
    config: () => Config,
    onFailure: (error: unknown) => void = (error) => this.#tell(error),
  ): void {
    this.#tried = config
    const attempt = (signal: AbortSignal) => {
      this.#attempt = this.#tryOnce(config(), signal, onFailure)
      return this.#attempt
    }
    this.#attempts.start(pace, attempt, () => {
      this.#tried = undefined
      this.#attempts.settle()
    })
  }

  async #tryOnce(
    config: Config,
    signal: AbortSignal,
    onFailure: (error: unknown) => void,
  ): Promise<boolean> {
    try {
      const move = await this.#begin(config)
      if (signal.aborted) await move.cancel()
      else await move.finish()
      return !signal.aborted
    } catch (error) {
      if (!signal.aborted) onFailure(error)
      return false
    }
  }

  /** Once for each reason. */
  #tell(error: unknown): void {
    const reason = messageOf(error)
    if (reason === this.#told) return
    this.#told = reason
    const level = codeOf(error) === 'ADDRESS_ABSENT' ? 'warn' : 'error'
    this.#log[level]({ reason }, 'The page is not to be had; trying again until it is')
  }

  /** Whether the page's address in a configuration is the one that is tried already. */
  #awaits({ admin }: Config): boolean {
    const tried = this.#tried === undefined ? undefined : addressOf(this.#tried().admin.http)
    const wanted = addressOf(admin.http)
    return tried !== undefined && wanted !== undefined && isSameEndpoint(tried, wanted)
  }

  #settle(settings: AdminSettings | undefined): void {
    const open = this.#open
    if (open === undefined) {
      this.#live.stop()
      return
    }
    // The service has ended meanwhile.
    if (this.#isClosed) {
      this.close()
      return
    }
    const before = open.settings
    open.settings = settings
    this.#live.start()
    if (before === undefined) this.#log.info(`The page is at http://${endpointText(open.address)}/`)
    // Who was let in by another token is to show the new one.
    else if (before.token !== settings?.token) open.server.closeAllConnections()
  }

  async #routesThere(): Promise<ReturnType<typeof routesTo>> {
    if (this.#routes === undefined) {
      // A fifth of all that a start would load, for what most services have not.
      const { Exposition } = await import('../metrics/exposition.ts')
      const target = this.#target
      this.#routes = routesTo({
        target,
        metrics: new Exposition(target),
        live: this.#live,
        settings: () => this.#open?.settings,
      })
    }
    return this.#routes
  }

  /** What listens at the address, the one from before if that does. */
  async #opened(address: Endpoint): Promise<Open> {
    const old = this.#open
    if (old !== undefined && isSameEndpoint(old.address, address)) return old
    const server = createSite({
      routes: await this.#routesThere(),
      settings: () => open.settings,
      admission: this.#admission,
      log: this.#log,
    })
    const open: Open = { server, address, settings: undefined }
    let host: string | undefined
    try {
      host = await resolveHost(address.host)
      await once(server.listen({ host, port: address.port, exclusive: true }), 'listening')
    } catch (error) {
      throw bindFailure(error, address, wish, host)
    }
    server.on('error', (error) => this.#log.error({ error }, 'The page has trouble'))
    return open
  }
}

function close(open: Open | undefined): void {
  open?.server.close()
  open?.server.closeAllConnections()
}

const wish = {
  what: 'admin.http: cannot listen on',
  setting: 'admin.http',
  portSetting: 'another port',
}
