import { once } from 'node:events'
import type { Server } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { type AdminSettings, adminSettings } from '../config/admin.ts'
import type { Config } from '../config/load.ts'
import { type Endpoint, endpointText, isSameEndpoint } from '../endpoint.ts'
import { codeOf, HelloserverError, messageOf } from '../errors.ts'
import { Exposition } from '../metrics/exposition.ts'
import type { Logger } from '../telemetry/logger.ts'
import { Admission } from './admission.ts'
import { Live } from './live.ts'
import { routesTo } from './routes.ts'
import { createSite } from './site.ts'
import type { AdminTarget } from './target.ts'

/** How often a successor tries to have the address that its predecessor lets go of, at first and later; milliseconds. */
const retryEveryMs = 20
const retryLaterEveryMs = 1_000
/** So often at first: after that somebody else has the address. */
const quickRetries = 100

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
  readonly #live: Live
  readonly #routes: ReturnType<typeof routesTo>
  readonly #admission = new Admission()
  #open: Open | undefined
  #isClosed = false

  constructor(target: AdminTarget, log: Logger) {
    this.#log = log
    this.#live = new Live(target)
    this.#routes = routesTo({
      target,
      metrics: new Exposition(target),
      live: this.#live,
      settings: () => this.#open?.settings,
    })
  }

  /**
   * Listens as the configuration says, if it does.
   *
   * @throws HelloserverError `ADDRESS_TAKEN` or `BAD_CONFIG`
   */
  async open(config: Config): Promise<void> {
    await (await this.move(config)).finish()
  }

  /**
   * Listens as the configuration says, as soon as the predecessor has let go of the address. That is no reason not to
   * serve, so it is tried until it works.
   *
   * @param config - what runs: a reload may change it meanwhile, and open the page, too
   */
  async takeOver(config: () => Config): Promise<void> {
    for (let tries = 1; !this.#isClosed && this.#open === undefined; tries += 1) {
      try {
        await this.open(config())
        return
      } catch (error) {
        const isLate = tries >= quickRetries
        if (tries === quickRetries) {
          this.#log.error({ reason: messageOf(error) }, 'The page is not to be had; trying on')
        }
        await delay(isLate ? retryLaterEveryMs : retryEveryMs, undefined, { ref: false })
      }
    }
  }

  /**
   * Begins to listen at another address, when the configuration has one; what listens already goes on until `finish`.
   *
   * @throws HelloserverError `ADDRESS_TAKEN` or `BAD_CONFIG`; nothing has changed then
   */
  async move(config: Config): Promise<PageMove> {
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

  /** Lets go of the address at once; good to call twice, and synchronous for a fatal signal's handler. */
  close(): void {
    this.#isClosed = true
    this.#live.stop()
    close(this.#open)
    this.#open = undefined
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

  /** What listens at the address, the one from before if that does. */
  async #opened(address: Endpoint): Promise<Open> {
    const old = this.#open
    if (old !== undefined && isSameEndpoint(old.address, address)) return old
    const server = createSite({
      routes: this.#routes,
      settings: () => open.settings,
      admission: this.#admission,
      log: this.#log,
    })
    const open: Open = { server, address, settings: undefined }
    try {
      await once(server.listen({ ...address, exclusive: true }), 'listening')
    } catch (error) {
      throw explain(error, address)
    }
    server.on('error', (error) => this.#log.error({ error }, 'The page has trouble'))
    return open
  }
}

function close(open: Open | undefined): void {
  open?.server.close()
  open?.server.closeAllConnections()
}

function explain(error: unknown, address: Endpoint): HelloserverError {
  const where = `admin.http: cannot listen on ${endpointText(address)}`
  switch (codeOf(error)) {
    case 'EADDRINUSE':
      return new HelloserverError(
        'ADDRESS_TAKEN',
        `${where}: another program has it; stop that one, or set another port`,
        { cause: error },
      )
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
      return new HelloserverError('BAD_CONFIG', `${where}: this host has no such address`, {
        cause: error,
      })
    default:
      return new HelloserverError('ADDRESS_TAKEN', `${where}: ${messageOf(error)}`, {
        cause: error,
      })
  }
}
