import { ownEnvironment } from '../config/environment.ts'
import { redisTarget } from '../config/redis.ts'
import type { ControlClient } from '../control/control-client.ts'
import { codeOf, HelloserverError } from '../errors.ts'
import type { FleetOperations } from '../fleet/fleet.ts'
import { noFleet } from '../fleet/local-fleet.ts'
import { RedisLink } from '../redis/link.ts'
import { RedisFleetStore } from '../redis/redis-fleet-store.ts'
import { fleetView } from './fleet-view.ts'
import type { Options } from './options.ts'
import { print } from './output.ts'
import { withService } from './with-service.ts'

/** How long Redis may take to become reachable, in milliseconds. */
const readyWithinMs = 2_000

/** A request about the fleet. */
export interface FleetRequest {
  readonly action: string
  /** A host or a build. */
  readonly subject: string | undefined
  /** Forgets a host even if it is alive. */
  readonly force: boolean
  /** Clears every build. */
  readonly all: boolean
}

export async function fleet(request: FleetRequest, options: Options): Promise<void> {
  const act = actionOf(request, options)
  try {
    await withService(options, (client) => act(remoteOperations(client)))
  } catch (error) {
    if (codeOf(error) !== 'NOT_RUNNING') throw error
    await withRedis(options, act)
  }
}

function actionOf(
  { action, subject, force, all }: FleetRequest,
  options: Options,
): (operations: FleetOperations) => Promise<void> {
  switch (action) {
    case 'show':
      if (subject !== undefined) throw misused(`"show" takes no argument, but got "${subject}"`)
      return async (operations) => {
        const view = await operations.view()
        print(options, view, fleetView(view))
      }
    case 'forget':
      if (subject === undefined) throw misused('"forget" needs a host')
      return async (operations) => {
        await operations.forget(subject, force)
        print(options, { forgotten: subject }, `${options.name}: ${subject} is forgotten`)
      }
    case 'clear':
      if ((subject === undefined) !== all) throw misused('"clear" needs a build, or --all')
      return async (operations) => {
        const cleared = await operations.clear(subject ?? null)
        print(
          options,
          { cleared },
          `${options.name}: cleared ${cleared} refused ${cleared === 1 ? 'build' : 'builds'}`,
        )
      }
    default:
      throw misused(`There is no action "${action}"`)
  }
}

function misused(problem: string): HelloserverError {
  return new HelloserverError(
    'BAD_USAGE',
    `${problem}; use "fleet", "fleet forget HOST [--force]", "fleet clear BUILD" or "fleet clear --all"`,
  )
}

function remoteOperations(client: ControlClient): FleetOperations {
  return {
    view: () => client.request('fleet', {}),
    forget: async (host, force) => {
      await client.request('fleet-forget', { host, force })
    },
    clear: async (build) => (await client.request('fleet-clear', { build })).cleared,
  }
}

/** The service is not running here, but anyone with access to its Redis can query the fleet directly. */
async function withRedis(
  { name }: Options,
  act: (operations: FleetOperations) => Promise<void>,
): Promise<void> {
  const target = redisTarget(ownEnvironment())
  if (target === undefined) throw noFleet()
  const link = new RedisLink(target, `helloserver:${name}:cli`)
  try {
    await link.ready(readyWithinMs)
    await act(new RedisFleetStore(link, name))
  } finally {
    link.close()
  }
}
