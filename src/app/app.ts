import type { Logger } from '../telemetry/logger.ts'
import type { ConnectionLease } from '../ipc/messages.ts'
import type { Connection } from '../worker/connection.ts'

/** What an app is given beside the connection; one for each worker. */
export interface Context<Settings = Readonly<Record<string, unknown>>> {
  /** The service's name. */
  readonly service: string
  /** The worker's slot, from 1. */
  readonly slot: number
  /** Counts the reloads; a reload brings up new workers with the next number. */
  readonly generation: number
  /** The folder of the configuration file; the app's own files are found from here. */
  readonly directory: string
  /** The configuration's `app` object, as it is in the file. */
  readonly settings: Settings
  /**
   * The leave that the connection in hand is served by, where hosts share one through Redis; null otherwise, and in
   * `setup`. Its `token` is what a store is to be given with each write: it refuses one that is lower than one that it
   * has seen, and so whoever serves on without knowing that the lease is lost.
   */
  readonly lease: ConnectionLease | null
  /** The worker's structured logger. */
  readonly log: Logger
}

/** A service: what people write. */
export interface App<Settings = Readonly<Record<string, unknown>>> {
  /** Called once for each worker, before it takes connections. Throwing here fails the start or the reload. */
  setup?(context: Context<Settings>): Promise<void> | void
  /**
   * Serves one connection; the worker takes no other until this settles. Whatever was written is flushed
   * and the connection ended cleanly after it. Throwing ends this connection, never the worker.
   */
  handle(connection: Connection, context: Context<Settings>): Promise<void> | void
  /** Called once when the worker ends in good order. */
  teardown?(context: Context<Settings>): Promise<void> | void
}

/** Gives an app its types; returns it as it is. An app module has this as its default export. */
export function defineApp<Settings = Readonly<Record<string, unknown>>>(
  app: App<Settings>,
): App<Settings> {
  return app
}
