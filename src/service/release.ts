import { inSlices } from '../async/in-slices.ts'
import { buildId, buildIdSteps, ownProgramId, programIdSteps } from '../build-id.ts'
import type { Environment } from '../config/environment.ts'
import { type Config, loadConfig } from '../config/load.ts'

/** A service's configuration, the environment in which that was read, and its code. */
export interface Release {
  readonly environment: Environment
  readonly config: Config
  /** The digest of the code that the workers run. */
  readonly build: string
}

/** The release of this process, which has just loaded its configuration. */
export function ownRelease(environment: Environment, config: Config): Release {
  return { environment, config, build: buildId(config.appModule, ownProgramId()) }
}

/**
 * The release that new workers would run now.
 *
 * @throws HelloserverError `BAD_CONFIG`
 */
export async function releaseOnDisk(name: string, environment: Environment): Promise<Release> {
  const config = loadConfig(name, environment)
  return { environment, config, build: await buildOnDisk(config) }
}

/** Whether the program on disk, which workers are started from, is the one that this process runs. */
export async function isOwnProgramOnDisk(): Promise<boolean> {
  return (await inSlices(programIdSteps())) === ownProgramId()
}

/** How an upgrade changes a service. */
export interface UpgradeForecast {
  /** Undefined when it cannot be determined. */
  readonly build: string | undefined
  /** Whether there will be fewer workers. */
  readonly isReduction: boolean
  readonly readyTimeoutMs: number
}

/** Predicts what an upgrade changes, as far as this release can read the configuration of the next. */
export async function forecast(
  name: string,
  { config: runs }: Release,
  environment: Environment,
  program: string,
): Promise<UpgradeForecast> {
  const { readyTimeoutMs } = runs.reload
  try {
    const config = loadConfig(name, environment)
    return {
      build: await buildOnDisk(config, program),
      isReduction: config.workers < runs.workers,
      // A slower app may bring a longer timeout.
      readyTimeoutMs: Math.max(readyTimeoutMs, config.reload.readyTimeoutMs),
    }
  } catch {
    // The successor reads the configuration itself, and reports its errors.
    return { build: undefined, isReduction: false, readyTimeoutMs }
  }
}

/** @param program - the primary's module in another copy of helloserver, if that is to run */
async function buildOnDisk({ appModule }: Config, program?: string): Promise<string> {
  return inSlices(buildIdSteps(appModule, await inSlices(programIdSteps(program))))
}
