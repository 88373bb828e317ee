import type { ConnectionLease } from '../ipc/worker-messages.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { Connection } from '../worker/connection.ts'

/** The context of an app besides the connection; one for each worker. */
export interface Context<Settings = Readonly<Record<string, unknown>>> {
  /** The service's name. */
  readonly service: string
  /** The worker's slot, from 1. */
  readonly slot: number
  /** Counts the reloads; a reload starts new workers with the next number. */
  readonly generation: number
  /** The folder of the configuration file, from which the app finds its own files. */
  readonly directory: string
  /** The configuration's `app` object, as it is in the file. */
  readonly settings: Settings
  /**
   * The lease under which the current connection is served, where hosts share one through Redis; null
   * otherwise, and in `setup`. Pass its `token` to a store with each write: by refusing a token lower than one
   * that it has seen, the store refuses a host that serves on without knowing that it has lost the lease.
   */
  readonly lease: ConnectionLease | null
  /** The worker's structured logger. */
  readonly log: Logger
}

/** A service, as its author writes it. */
export interface App<Settings = Readonly<Record<string, unknown>>> {
  /** Called once for each worker, before it takes connections. Throwing here fails the start or the reload. */
  setup?(context: Context<Settings>): Promise<void> | void
  /**
   * Serves one connection; the worker takes no other until this settles. Everything written is then flushed,
   * and the connection ended cleanly. Throwing ends this connection, never the worker.
   */
  handle(connection: Connection, context: Context<Settings>): Promise<void> | void
  /** Called once when the worker ends in good order. */
  teardown?(context: Context<Settings>): Promise<void> | void
}

/** Gives an app its types, and returns it unchanged. An app module has the result as its default export. */
export function defineApp<Settings = Readonly<Record<string, unknown>>>(
  app: App<Settings>,
): App<Settings> {
  return app
}
