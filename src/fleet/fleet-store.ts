import type { FleetOperations, HostReport, RefusedBuild } from './fleet.ts'
import type { DownHost, Purpose } from './fleet-status.ts'

/** The interval between a host's heartbeats, in milliseconds. */
export const heartbeatMs = 1_000
/**
 * A host that stays silent for longer is considered dead, and one that stops asking for a permit loses its place;
 * milliseconds.
 */
export const deadAfterMs = 5 * heartbeatMs

/** A host, as the store knows it. */
export interface Member {
  readonly host: string
  /** Unique for each start of a service; kept across its upgrades. */
  readonly instance: string
  /** How many hosts may be down at a time. */
  readonly maxDown: number
}

/** The contents of a heartbeat. */
export interface Heartbeat {
  readonly report: HostReport
  readonly isUp: boolean
  readonly hasBeenUp: boolean
  readonly hasRegistered: boolean
  readonly permit: Purpose | 'waiting' | null
}

/** The answer to a heartbeat. */
export interface Acknowledgement {
  /** The number of other hosts. */
  readonly others: number
  /** Another instance that claims this host's name. */
  readonly rival: HostReport | undefined
}

export type PermitAnswer =
  | { readonly kind: 'granted'; readonly ticket: number }
  | {
      readonly kind: 'waiting'
      readonly ticket: number
      readonly place: number
      /** Whether the store may have lost data, so that its hosts have to register again first. */
      readonly isRecovering: boolean
      readonly down: readonly DownHost[]
    }
  /** This host must register first. */
  | { readonly kind: 'unknown' }

/**
 * A store in which the hosts of a service register.
 *
 * Each method is one atomic step in the store, and rejects with `StoreError` when it is uncertain whether that was
 * carried out.
 */
export interface FleetStore extends FleetOperations {
  /** The name of the store, for people. */
  readonly name: string
  /**
   * Resolves when the store can be reached.
   *
   * @throws StoreError when it cannot be reached within `withinMs`
   */
  ready(withinMs: number): Promise<void>
  /**
   * Registers a host, and updates its entry.
   *
   * @throws HelloserverError `BAD_CONFIG` when the fleet uses another `fleet.maxDown`
   */
  heartbeat(member: Member, heartbeat: Heartbeat): Promise<Acknowledgement>
  /**
   * Requests a permit to go down. It is granted in the order of the tickets, while fewer than `maxDown` hosts are down.
   *
   * @param ticket - that of the last answer; 0 at first
   * @param isAlone - whether the host has never seen another one
   */
  requestPermit(
    member: Member,
    purpose: Purpose,
    ticket: number,
    isAlone: boolean,
  ): Promise<PermitAnswer>
  /**
   * Records that a host has stopped in good order.
   *
   * @param returnMs - how long the host may take to come back; until then, it counts as down
   */
  leave(member: Member, returnMs: number | 'ever'): Promise<void>
  /** Returns the record of the other host that refused this build, if there is one. */
  refusal(build: string, host: string): Promise<RefusedBuild | undefined>
  /** Records that a build failed to become ready on a host. */
  refuse(build: string, host: string, reason: string): Promise<void>
  /** Withdraws a host's refusal of a build. */
  accept(build: string, host: string): Promise<void>
  /** Calls `listener` whenever something may have changed for the hosts that wait. */
  subscribe(listener: () => void): void
  /** Closes the connections. */
  close(): void
}
