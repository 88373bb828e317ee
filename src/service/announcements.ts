import { version } from '../build-id.ts'
import { type ReloadResult, standbyReason } from '../status.ts'
import type { Notifier } from '../systemd/notifier.ts'
import { endpointStatus } from './endpoint-status.ts'
import type { Service } from './service.ts'

/** Tells the log, pm2's bridge and the service manager what a service has come to. */
export class Announcements {
  readonly #service: Service
  readonly #notifier: Notifier
  /** The service can be found; from now on this host may begin to serve again and again. */
  #isReady = false

  constructor(service: Service, notifier: Notifier) {
    this.#service = service
    this.#notifier = notifier
  }

  /** Reports readiness, once the service can be found: nobody must be sent to it before. */
  ready(): void {
    const status = this.#service.status()
    if (status.state === 'standby') this.#notifier.standingBy(standbyReason(status))
    else this.#tellServing(this.#service.predecessor === undefined ? 'started' : 'upgraded')
    this.#isReady = true
  }

  /** The service accepts connections; at the start, nobody is told before it is ready. */
  serving(): void {
    if (this.#isReady) this.#tellServing('started')
  }

  /** The service begins to end: supervisors must not take that for a crash. */
  draining(cause: string): void {
    this.#service.control.supervisor.announceDraining(cause)
    this.#notifier.stopping(cause)
  }

  reloading(outcome: Promise<ReloadResult>): void {
    this.#notifier.reloading(outcome)
  }

  #tellServing(kind: 'started' | 'upgraded'): void {
    const { config, connections, events } = this.#service
    const { listen, endpoints } = endpointStatus(connections.listeners, config.listen)
    const { workers, appModule: app } = config
    const serving = { ...listen, endpoints: endpoints.join(', '), workers, app }
    if (kind === 'started') events.record('started', serving)
    else events.record('upgraded', { ...serving, version, primaryPid: process.pid })
    this.#notifier.serving(serving.endpoints)
  }
}
