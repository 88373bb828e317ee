import type { ReloadResult, Status } from '../status.ts'
import type { FleetStatus, Purpose } from './status.ts'

/** What a host says about itself. */
export interface HostFacts {
  readonly state: Status['state']
  readonly build: string
  readonly version: string
  readonly workers: { readonly busy: number; readonly total: number }
  readonly queue: { readonly length: number; readonly max: number }
  readonly lease: { readonly token: number | null; readonly slot: number | null } | null
  readonly listen: Status['listen']
  readonly pid: number
  readonly lastReload: ReloadResult | null
}

/** A host as the fleet knows it. */
export interface HostView extends Omit<HostFacts, 'state'> {
  readonly host: string
  /** `dead` is silent without having ended; `stopped` may come back any moment. */
  readonly state: HostFacts['state'] | 'dead' | 'stopped'
  /** How long it has not been heard of, in milliseconds, by the clock of Redis. */
  readonly silentMs: number
  /** What it has a permit for, or `waiting` for one; null without. */
  readonly permit: Purpose | 'waiting' | null
}

/** A build that could not get ready on a host, and that the others refuse. */
export interface RefusedBuild {
  readonly build: string
  readonly host: string
  readonly reason: string
  /** ISO 8601, by the clock of Redis. */
  readonly at: string
}

/** The object of `fleet --json`. */
export interface FleetView {
  readonly name: string
  /** How many hosts may be down at a time; null while no host is there to say. */
  readonly maxDown: number | null
  readonly hosts: readonly HostView[]
  readonly refusedBuilds: readonly RefusedBuild[]
}

/** What people ask of the fleet as a whole. */
export interface FleetDesk {
  view(): Promise<FleetView>
  /**
   * Takes a host out that will not come back.
   *
   * @throws HelloserverError `UNKNOWN_HOST`, or `HOST_ALIVE` unless `force`
   */
  forget(host: string, force: boolean): Promise<void>
  /**
   * Lets a build be rolled out again, or with `null` all of them; resolves with how many.
   *
   * @throws HelloserverError `UNKNOWN_BUILD`
   */
  clear(build: string | null): Promise<number>
}

/** A reload, as the fleet sees it. */
export interface Change {
  /** The digest of the code that is to run; undefined when it cannot be told. */
  readonly build: string | undefined
  /** Whether this host has fewer workers by it. */
  readonly isReduction: boolean
  /** Whether it is done without a permit. */
  readonly force: boolean
}

/** The hosts of a service, as one of them sees the others. */
export interface Fleet {
  /** Null for a service on its own. */
  readonly status: FleetStatus | null
  readonly desk: FleetDesk
  /**
   * Registers this host, as one that starts. A fleet that cannot be reached is no reason not to.
   *
   * @throws HelloserverError `BAD_CONFIG` when the fleet has another `fleet.maxDown`
   */
  join(status: () => Status): Promise<void>
  /** This host has started, or goes on in the place of another process: the others may count on it. */
  open(status: () => Status): void
  /** This host's state has changed. */
  changed(): void
  /**
   * Resolves when this host may stop. It always may at last, for Redis being away or for somebody insisting.
   *
   * @param force - without waiting
   */
  mayStop(cause: string, force: boolean): Promise<void>
  /** Somebody insists: what waits for a permit goes on without; false when it does not wait. */
  insist(purpose: Purpose, cause: string): boolean
  /**
   * Does a reload when the fleet lets it, and tells the others how it went.
   *
   * @param perform - rejects when the reload fails
   * @throws HelloserverError `BUILD_REFUSED` when another host could not get the build ready
   */
  deploy(change: Change, perform: () => Promise<void>): Promise<void>
  /** This host has ended in good order. */
  leave(): Promise<void>
  /** This host could not start; if the fleet counts on it, it goes on missing it. */
  fail(): Promise<void>
  /** Another process of this host goes on in its place. */
  rest(): void
}
