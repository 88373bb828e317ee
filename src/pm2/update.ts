import { programId } from '../build-id.ts'
import { type Environment, variables } from '../config/environment.ts'
import type { ProgramIdentity, Results } from '../control/protocol.ts'
import { realPath } from '../files/real-path.ts'
import { namedPrimary, primaryModule } from '../launch/launch.ts'
import { inRelease } from '../launch/named-path.ts'

/** The request by which a bridge brings a primary up to date. */
export interface Update {
  readonly how: 'reload' | 'upgrade'
  /** The program that is to run after it. */
  readonly program: string
}

/**
 * Decides how a primary comes to run what is on disk: another program needs a new primary, another app only new
 * workers.
 *
 * @throws when the program on disk cannot be read
 */
export function updateOf(attached: Results['attach']): Update {
  const program = programToRun(attached.program)
  const isOther =
    attached.programId !== programId(program) ||
    (attached.program !== undefined && attached.program.file !== realPath(program))
  return { how: attached.restarting === true || isOther ? 'upgrade' : 'reload', program }
}

/**
 * The program that a deploy means. pm2 goes on starting bridges from the folder that it was first told, even when
 * a link has been switched to another one: then the link counts by which the primary was started.
 */
export function programToRun(running: ProgramIdentity | undefined): string {
  const own = namedPrimary()
  const isLinked = running !== undefined && running.path !== running.file
  return own === primaryModule && isLinked ? running.path : own
}

/** An environment that names the configuration in the release of `program`, and not in that of this bridge. */
export function environmentFor(program: string, environment: Environment): Environment {
  const path = environment[variables.config]
  if (path === undefined) return environment
  return { ...environment, [variables.config]: inRelease(path, primaryModule, program) }
}
