import { variables } from '../config/environment.ts'
import { HelloserverError } from '../errors.ts'
import type { Fleet, FleetOperations } from './fleet.ts'

/** A service without a fleet: it needs no permit, and has no other host to notify. */
export class LocalFleet implements Fleet {
  readonly status = null
  readonly operations = noOperations

  apply(): void {}

  async join(): Promise<void> {}

  markReady(): void {}

  changed(): void {}

  async mayStop(): Promise<void> {}

  escalate(): boolean {
    return false
  }

  async mayDeploy(): Promise<void> {}

  async deployed(): Promise<void> {}

  async notDeployed(): Promise<void> {}

  async leave(): Promise<void> {}

  async fail(): Promise<void> {}

  stop(): void {}
}

const noOperations: FleetOperations = {
  view: async () => refuse(),
  forget: async () => refuse(),
  clear: async () => refuse(),
}

function refuse(): never {
  throw noFleet()
}

/** The error for a request about the fleet of a service that has none. */
export function noFleet(): HelloserverError {
  return new HelloserverError(
    'NO_FLEET',
    `This service has no fleet without Redis; set ${variables.redisUrl} on each of its hosts`,
  )
}
