/** The names of what a service keeps in Redis. One hash tag: in a cluster, all of it is on one server. */
export interface Keys {
  /** The records of the lease, one for each host that may serve at a time. */
  readonly leases: readonly string[]
  /** What all hosts must have configured alike. */
  readonly settings: string
  /** Where changes are published. */
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
