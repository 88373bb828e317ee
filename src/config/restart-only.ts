import { HelloserverError } from '../errors.ts'
import { type Environment, variables } from './environment.ts'
import { type RunFiles, runFiles } from './run-dir.ts'

/**
 * Refuses an environment with which a running service would be another one: its lock, its control socket and
 * its log are in the run directory, so that cannot change under it.
 *
 * @throws HelloserverError `RELOAD_FAILED`, naming the variable
 */
export function refuseRestartOnly(
  { name, runDir }: Pick<RunFiles, 'name' | 'runDir'>,
  wanted: Environment,
): void {
  const { runDir: wantedDir } = runFiles(name, wanted)
  if (wantedDir === runDir) return
  throw new HelloserverError(
    'RELOAD_FAILED',
    `${variables.runDir} cannot change from ${runDir} to ${wantedDir} in a reload; use "helloserver restart" for that`,
  )
}
