import { once } from 'node:events'
import type { Server } from 'node:http'
import { addressOf } from '../config/admin-address.ts'
import { type AdminSettings, adminSettings } from '../config/admin-settings.ts'
import type { Config } from '../config/load.ts'
import { endpointText, isSameEndpoint, type TcpEndpoint } from '../endpoint.ts'
import { codeOf, messageOf } from '../errors.ts'
import type { AddressMove } from '../network/address-move.ts'
import { Attempts, type Pace } from '../network/attempts.ts'
import { bindFailure } from '../network/bind-failure.ts'
import { resolveHost } from '../network/resolve.ts'
import type { Logger } from '../telemetry/logger.ts'
import { LiveFeed } from './live-feed.ts'
import { requestLimit } from './request-limit.ts'
import { routesTo } from './routes.ts'
import type { AdminTarget } from './service-interface.ts'
import { createSite } from './site.ts'

/** The delays of retries while the page's address is taken: a predecessor releases it within moments. */
const backoff: Pace = { baseMs: 20, capMs: 1_000 }
/** How long a predecessor may keep the address, in milliseconds; after that, another program must have it. */
const letGoWithinMs = 2_000

/** A listening server. It answers nobody until it has its settings: those of another address may be laxer. */
interface OpenPage {
  readonly server: Server
  readonly address: TcpEndpoint
  settings: AdminSettings | undefined
}

/** The web page of a service, with health and metrics: off unless `admin.http` names an address. */
export class Admin {
  readonly #log: Logger
  readonly #target: AdminTarget
  readonly #live: LiveFeed
  readonly #requests = requestLimit()
  readonly #attempts = new Attempts()
  /** The configuration to listen by, while attempts to listen continue. */
  #tried: Config | undefined
  #attempt: Promise<boolean> = Promise.resolve(true)
  #loggedReason: string | undefined
  #open: OpenPage | undefined
  #routes: ReturnType<typeof routesTo> | undefined
  #isClosed = false

  constructor(target: AdminTarget, log: Logger) {
    this.#log = log
    this.#target = target
    this.#live = new LiveFeed(target)
  }

  /**
   * Listens at the configured address, if there is one. A service matters more than its page: if the host does not
   * have the address yet, the page retries until it does.
   *
   * @throws HelloserverError `ADDRESS_TAKEN` or `BAD_CONFIG`
   */
  async open(config: Config): Promise<void> {
    try {
      await (await this.#begin(config)).finish()
    } catch (error) {
      if (codeOf(error) !== 'ADDRESS_ABSENT') throw error
      this.#logOnce(error)
      this.#keepTrying(config)
    }
  }

  /** Loads the page's code ahead of `takeOver`, which health checks should not have to wait for. */
  async prepare({ admin }: Config): Promise<void> {
    if (addressOf(admin.http) !== undefined) await this.#loadRoutes()
  }

  /** Listens at the configured address as soon as the predecessor has released it. */
  takeOver(config: Config): void {
    const lateMs = performance.now() + letGoWithinMs
    this.#keepTrying(config, (error) => {
      if (codeOf(error) !== 'ADDRESS_TAKEN' || performance.now() > lateMs) this.#logOnce(error)
    })
  }

  /**
   * Begins to listen at a changed address, if the configuration has one; the former listener continues until
   * `finish`.
   *
   * @throws HelloserverError `ADDRESS_TAKEN`, `ADDRESS_ABSENT` or `BAD_CONFIG`; then nothing has changed
   */
  async move(config: Config): Promise<AddressMove> {
    // One attempt at a time: two would take the address from each other.
    this.#attempts.stop()
    await this.#attempt
    const tried = this.#tried
    const resume = () => {
      if (tried !== undefined) this.#keepTrying(tried)
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
      // An address that was already being waited for is no reason to refuse a reload.
      const isAwaited = codeOf(error) === 'ADDRESS_ABSENT' && this.#awaits(config)
      if (isAwaited)
        return { finish: async () => this.#keepTrying(config), cancel: async () => resume() }
      resume()
      throw error
    }
  }

  /** Releases the address at once. May be called twice; synchronous, for the handler of a fatal signal. */
  close(): void {
    this.#isClosed = true
    this.#attempts.stop()
    this.#live.stop()
    close(this.#open)
    this.#open = undefined
  }

  async #begin(config: Config): Promise<AddressMove> {
    const settings = adminSettings(config.admin, config.directory)
    const next = settings === undefined ? undefined : await this.#openAt(settings.address)
    return {
      finish: async () => {
        if (next !== this.#open) close(this.#open)
        this.#open = next
        this.#applySettings(settings)
      },
      cancel: async () => {
        if (next !== this.#open) close(next)
      },
    }
  }

  #keepTrying(
    config: Config,
    onFailure: (error: unknown) => void = (error) => this.#logOnce(error),
  ): void {
    this.#tried = config
    const attempt = (signal: AbortSignal) => {
      this.#attempt = this.#tryOnce(config, signal, onFailure)
      return this.#attempt
    }
    this.#attempts.start(backoff, attempt, () => {
      this.#tried = undefined
      this.#attempts.succeed()
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

  /** Logs each reason once. */
  #logOnce(error: unknown): void {
    const reason = messageOf(error)
    if (reason === this.#loggedReason) return
    this.#loggedReason = reason
    const level = codeOf(error) === 'ADDRESS_ABSENT' ? 'warn' : 'error'
    this.#log[level]({ reason }, 'Cannot open the admin page; retrying')
  }

  /** Whether the page's address in a configuration is the one already being retried. */
  #awaits({ admin }: Config): boolean {
    const tried = this.#tried === undefined ? undefined : addressOf(this.#tried.admin.http)
    const wanted = addressOf(admin.http)
    return tried !== undefined && wanted !== undefined && isSameEndpoint(tried, wanted)
  }

  #applySettings(settings: AdminSettings | undefined): void {
    const open = this.#open
    if (open === undefined) {
      this.#live.stop()
      return
    }
    // The service has ended in the meantime.
    if (this.#isClosed) {
      this.close()
      return
    }
    const before = open.settings
    open.settings = settings
    this.#live.start()
    if (before === undefined)
      this.#log.info(`The admin page is at http://${endpointText(open.address)}/`)
    // Viewers admitted with the former token must present the new one.
    else if (before.token !== settings?.token) open.server.closeAllConnections()
  }

  async #loadRoutes(): Promise<ReturnType<typeof routesTo>> {
    if (this.#routes === undefined) {
      // Loaded on demand: it would be a fifth of all the code that a start loads, and most services do not use it.
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

  /** Returns a listener at the address; the existing one if it already listens there. */
  async #openAt(address: TcpEndpoint): Promise<OpenPage> {
    const old = this.#open
    if (old !== undefined && isSameEndpoint(old.address, address)) return old
    const server = createSite({
      routes: await this.#loadRoutes(),
      settings: () => open.settings,
      requests: this.#requests,
      log: this.#log,
    })
    const open: OpenPage = { server, address, settings: undefined }
    let host: string | undefined
    try {
      host = await resolveHost(address.host)
      await once(server.listen({ host, port: address.port, exclusive: true }), 'listening')
    } catch (error) {
      throw bindFailure(error, address, names, host)
    }
    server.on('error', (error) =>
      this.#log.error({ error }, 'The server of the admin page reports an error'),
    )
    return open
  }
}

function close(open: OpenPage | undefined): void {
  open?.server.close()
  open?.server.closeAllConnections()
}

const names = {
  what: 'admin.http: cannot listen on',
  setting: 'admin.http',
  portSetting: 'another port',
}
