/** The Redis keys of a service. They share a hash tag: in a cluster, all of them are on one server. */
export interface RedisKeys {
  /** The records of the lease, one for each host that may serve at a time. */
  readonly leases: readonly string[]
  /** The settings that must be the same on all hosts. */
  readonly settings: string
  /** Each host's entry. */
  readonly hosts: string
  /** The fleet's clock, the last ticket, and the server's run id. */
  readonly book: string
  /** Builds that failed to become ready. */
  readonly builds: string
  /** The channel on which changes are published. */
  readonly channel: string
}

/** @param slots - how many hosts may serve at a time */
export function redisKeysOf(service: string, slots = 1): RedisKeys {
  const tag = `{hs:${service}}`
  return {
    leases: Array.from({ length: slots }, (_, at) => `${tag}:lease${at === 0 ? '' : `:${at + 1}`}`),
    settings: `${tag}:settings`,
    hosts: `${tag}:hosts`,
    book: `${tag}:fleet`,
    builds: `${tag}:builds`,
    channel: `${tag}:ch`,
  }
}
