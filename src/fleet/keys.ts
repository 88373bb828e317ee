import { keysOf } from '../lease/keys.ts'

/** The Redis keys of what a service's hosts record about each other; they share a hash tag with the lease. */
export interface FleetKeys {
  /** Each host's entry. */
  readonly hosts: string
  /** The settings that must be the same on all hosts. */
  readonly settings: string
  /** The fleet's clock, the last ticket, and the server's run id. */
  readonly book: string
  /** Builds that failed to become ready. */
  readonly builds: string
  /** The channel on which changes are published. */
  readonly channel: string
}

export function fleetKeysOf(service: string): FleetKeys {
  const { settings, channel } = keysOf(service, 1)
  const tag = `{hs:${service}}`
  return {
    hosts: `${tag}:hosts`,
    settings,
    book: `${tag}:fleet`,
    builds: `${tag}:builds`,
    channel,
  }
}
