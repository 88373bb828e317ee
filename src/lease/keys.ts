/** The Redis keys of a service. They share a hash tag: in a cluster, all of them are on one server. */
export interface Keys {
  /** The records of the lease, one for each host that may serve at a time. */
  readonly leases: readonly string[]
  /** The settings that must be the same on all hosts. */
  readonly settings: string
  /** The channel on which changes are published. */
  readonly channel: string
}

export function keysOf(service: string, slots: number): Keys {
  const tag = `{hs:${service}}`
  return {
    leases: Array.from({ length: slots }, (_, at) => `${tag}:lease${at === 0 ? '' : `:${at + 1}`}`),
    settings: `${tag}:settings`,
    channel: `${tag}:ch`,
  }
}
