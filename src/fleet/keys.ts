import { keysOf } from '../lease/keys.ts'

/** The names of what the hosts of a service keep about each other in Redis; one hash tag with the lease. */
export interface FleetKeys {
  /** Each host's entry. */
  readonly hosts: string
  /** What all hosts must have configured alike. */
  readonly settings: string
  /** The clock of the fleet, the last ticket, the server's run id. */
  readonly book: string
  /** Builds that could not get ready. */
  readonly builds: string
  /** Where changes are published. */
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
