import { createHash } from 'node:crypto'
import { type Environment, variables } from './environment.ts'

const own = new Set<string>(Object.values(variables))

/**
 * Variables that tell one shell or one script run from another and mean nothing to an app. They alone are no
 * reason to replace a process.
 */
const ofSession =
  /^(_|PWD|OLDPWD|SHLVL|INIT_CWD|NODE|COLOR|TERM|COLORTERM|COLUMNS|LINES|WINDOWID|SSH_.*|XDG_SESSION_.*|TMUX.*|STY|DISPLAY|WAYLAND_DISPLAY|npm_.*)$/

/**
 * A digest of the variables that only a new process can be given: those of the app, and those that Node.js reads
 * itself. The variables of helloserver are left out, since a reload applies them.
 */
export function environmentDigest(environment: Environment): string {
  const others = Object.entries(environment)
    .filter(([key]) => !own.has(key) && !ofSession.test(key))
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
  return createHash('sha256').update(JSON.stringify(others)).digest('hex')
}

/**
 * An environment as a caller gives it. Bridges of releases up to 0.1 give the variables of helloserver only; the
 * others then stay as they are.
 */
export function completedBy(running: Environment, given: Environment): Environment {
  if (Object.keys(given).some((key) => !own.has(key))) return given
  const others = Object.entries(running).filter(([key]) => !own.has(key))
  return { ...Object.fromEntries(others), ...given }
}
