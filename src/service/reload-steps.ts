import { deferred } from '../async/deferred.ts'
import { completedBy } from '../config/change-of-environment.ts'
import type { Environment } from '../config/environment.ts'
import { refuseRestartOnly, restartOnly } from '../config/restart-only.ts'
import type { Change } from '../fleet/fleet.ts'
import type { AddressMove } from '../network/address-move.ts'
import type { Keyring } from '../tls/keyring.ts'
import {
  forecast,
  isOwnProgramOnDisk,
  type Release,
  releaseOnDisk,
  type UpgradeForecast,
} from './release.ts'
import type { Service } from './service.ts'

/** The name of a step, in the reason of a failed reload and in its event. */
export type StepName = 'configuration' | 'fleet' | 'successor' | 'address' | 'canary' | 'workers'

/** A step of a reload. */
export interface ReloadStep {
  readonly name: StepName
  /** A failure here fails the reload, and leaves nothing of this step. */
  readonly run: () => Promise<void> | void
  /** Undoes the step when a later one has failed with `error`. */
  readonly undo?: (error: unknown) => Promise<void> | void
  /** Completes the step when all have succeeded: from then on nothing is undone. */
  readonly complete?: () => Promise<void> | void
}

/** The changes that a reload applies; omitted ones stay as they are. */
export interface ReloadRequest {
  /** Replaces the environment that the service was started with. */
  readonly environment: Environment
  /** The program that is to replace this one: the primary is replaced, not only its workers. */
  readonly program: string
  /** Proceeds even when that takes down more hosts than may be down at a time. */
  readonly force: boolean
}

/** The steps by which a service applies what is on disk: new workers, or with a `program` a whole new primary. */
export function reloadSteps(
  service: Service,
  request: Partial<ReloadRequest>,
): readonly ReloadStep[] {
  const { force = false } = request
  const running = service.release.environment
  const environment =
    request.environment === undefined ? running : completedBy(running, request.environment)
  const program = request.program ?? service.program.successorFor(environment)
  return program === undefined
    ? stepsToNewWorkers(service, environment, force)
    : stepsToNewPrimary(service, environment, force, program)
}

function stepsToNewWorkers(
  service: Service,
  environment: Environment,
  force: boolean,
): readonly ReloadStep[] {
  const { files, connections, pool, admin } = service
  const { name } = files
  let next: Release
  let keyring: Keyring
  let unequip: () => void
  let rollout: Promise<void>
  return [
    {
      name: 'configuration',
      run: async () => {
        service.lifecycle.mustRun('reload')
        service.program.mustExist()
        next = await releaseOnDisk(name, environment)
        service.logOverrides(next)
        refuseRestartOnly(service.restartOnly, restartOnly(name, environment, next.config))
        keyring = service.readKeys(next.config)
      },
    },
    fleetPermits(service, async () => ({
      // Workers of another release may fail under this primary but not under their own: their build is not judged.
      build: (await isOwnProgramOnDisk()) ? next.build : undefined,
      isReduction: next.config.workers < service.config.workers,
      force,
    })),
    hasItsTurn(service),
    {
      name: 'address',
      run: () => {
        unequip = connections.listeners.endpoints.equip(keyring)
      },
      undo: () => unequip(),
    },
    movesAddress(() => connections.listeners.move(next.config.listen)),
    movesAddress(() => admin.move(next.config)),
    {
      name: 'canary',
      run: () => {
        const isReady = deferred<void>()
        rollout = pool.reload(next.config, () => isReady.resolve())
        return Promise.race([isReady.promise, rollout])
      },
    },
    {
      name: 'workers',
      run: () => rollout,
      complete: () => service.apply(next),
    },
  ]
}

function stepsToNewPrimary(
  service: Service,
  environment: Environment,
  force: boolean,
  program: string,
): readonly ReloadStep[] {
  const { name } = service.files
  let expected: UpgradeForecast
  return [
    {
      name: 'configuration',
      run: () => {
        service.lifecycle.mustRun('reload')
        service.refuseInForeground()
        // The successor reads the configuration, and finds any other setting that cannot change.
        refuseRestartOnly(service.restartOnly, restartOnly(name, environment, service.config))
      },
    },
    fleetPermits(service, async () => {
      expected = await forecast(name, service.release, environment, program)
      return { build: expected.build, isReduction: expected.isReduction, force }
    }),
    hasItsTurn(service),
    {
      name: 'successor',
      run: () => service.upgrades.run(program, environment, expected.readyTimeoutMs),
    },
  ]
}

/** The other hosts have not refused the build, and grant a permit if workers are to be removed. */
function fleetPermits({ fleet }: Service, change: () => Promise<Change>): ReloadStep {
  let asked: Change
  return {
    name: 'fleet',
    run: async () => {
      asked = await change()
      await fleet.mayDeploy(asked)
    },
    undo: (error) => fleet.notDeployed(asked, error),
    complete: () => fleet.deployed(asked),
  }
}

/** No other operation changes the workers. */
function hasItsTurn(service: Service): ReloadStep {
  let release: () => void
  return {
    name: 'fleet',
    run: async () => {
      release = await service.mutex.acquire()
      try {
        service.lifecycle.mustRunStill()
      } catch (error) {
        release()
        throw error
      }
    },
    undo: () => release(),
    complete: () => release(),
  }
}

/** A part that listens binds its address, if the configuration has another one for it. */
function movesAddress(begin: () => Promise<AddressMove>): ReloadStep {
  let move: AddressMove
  return {
    name: 'address',
    run: async () => {
      move = await begin()
    },
    undo: () => move.cancel(),
    complete: () => move.finish(),
  }
}
