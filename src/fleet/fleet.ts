import type { ReloadResult, Status } from '../status.ts'
import type { FleetStatus, Purpose } from './fleet-status.ts'

/** A host's report about itself. */
export interface HostReport {
  readonly state: Status['state']
  readonly build: string
  readonly version: string
  readonly workers: { readonly busy: number; readonly total: number }
  readonly queue: { readonly length: number; readonly max: number }
  readonly lease: { readonly token: number | null; readonly slot: number | null } | null
  readonly listen: Status['listen']
  readonly endpoints?: readonly string[] | undefined
  readonly pid: number
  readonly lastReload: ReloadResult | null
}

/** A host as the fleet knows it. */
export interface HostView extends Omit<HostReport, 'state'> {
  readonly host: string
  /** `dead`: silent, but did not stop in good order; `stopped`: may come back at any moment. */
  readonly state: HostReport['state'] | 'dead' | 'stopped'
  /** Time since the host was last heard from, in milliseconds, by the clock of the store. */
  readonly silentMs: number
  /** The purpose of the host's permit; `waiting` while it waits for one; null without either. */
  readonly permit: Purpose | 'waiting' | null
}

/** A build that failed to become ready on one host, and that the others refuse. */
export interface RefusedBuild {
  readonly build: string
  readonly host: string
  readonly reason: string
  /** ISO 8601, by the clock of the store. */
  readonly at: string
}

/** The object that `fleet --json` prints. */
export interface FleetView {
  readonly name: string
  /** How many hosts may be down at a time; null while no host has registered. */
  readonly maxDown: number | null
  readonly hosts: readonly HostView[]
  readonly refusedBuilds: readonly RefusedBuild[]
}

/** Operations on the fleet as a whole. */
export interface FleetOperations {
  view(): Promise<FleetView>
  /**
   * Removes a host that will not come back.
   *
   * @throws HelloserverError `UNKNOWN_HOST`, or `HOST_ALIVE` unless `force`
   */
  forget(host: string, force: boolean): Promise<void>
  /**
   * Permits a refused build to be rolled out again, or all of them with `null`; resolves with their number.
   *
   * @throws HelloserverError `UNKNOWN_BUILD`
   */
  clear(build: string | null): Promise<number>
}

/** A reload, as the fleet sees it. */
export interface Change {
  /** The digest of the code to run; undefined when it cannot be determined. */
  readonly build: string | undefined
  /** Whether the reload reduces the number of workers on this host. */
  readonly isReduction: boolean
  /** Whether the reload goes ahead without a permit. */
  readonly force: boolean
}

/** `fleet` in the configuration, as far as a reload may change it. */
export interface FleetSettings {
  /** How long a stopped host may take to come back, in milliseconds. */
  readonly returnMs: number
}

/** The hosts of a service, as seen from one of them. */
export interface Fleet {
  /** Null when the service runs without a fleet. */
  readonly status: FleetStatus | null
  readonly operations: FleetOperations
  /** Applies the settings of the fleet that a reload may change. */
  apply(settings: FleetSettings): void
  /**
   * Registers this host as starting. An unreachable fleet does not prevent the start.
   *
   * @throws HelloserverError `BAD_CONFIG` when the fleet uses another `fleet.maxDown`
   */
  join(status: () => Status): Promise<void>
  /** This host has started, or continues in place of another process: from now on, the others may count on it. */
  markReady(status: () => Status): void
  /** This host's state has changed. */
  changed(): void
  /**
   * Resolves when this host may stop. It always resolves eventually: also when the store is away, or when an operator
   * insists.
   *
   * @param force - stop without waiting
   */
  mayStop(cause: string, force: boolean): Promise<void>
  /**
   * Lets the operation that waits for a permit go ahead without one, because an operator asked a second time. Returns
   * false when none waits.
   */
  escalate(purpose: Purpose, cause: string): boolean
  /**
   * Resolves when the fleet permits a reload; one of the next two calls ends what is granted here.
   *
   * @throws HelloserverError `BUILD_REFUSED` when the build failed to become ready on another host
   */
  mayDeploy(change: Change): Promise<void>
  /** The permitted reload has succeeded: the other hosts may count on the build. */
  deployed(change: Change): Promise<void>
  /** The permitted reload has failed: if the code is to blame, the other hosts refuse the build from now on. */
  notDeployed(change: Change, error: unknown): Promise<void>
  /** This host has stopped in good order. */
  leave(): Promise<void>
  /** This host failed to start; if the fleet counts on it, it stays counted as down. */
  fail(): Promise<void>
  /** Stops without leaving: another process of this host continues in its place. */
  stop(): void
}
