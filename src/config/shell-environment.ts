import type { Environment } from './environment.ts'

/** The variable that carries those which a shell would drop, as JSON. */
const carrier = 'HELLOSERVER_CARRIED'

/** A name in the shell's language (POSIX.1-2017, XBD 3.235). */
const shellName = /^[A-Za-z_][A-Za-z0-9_]*$/

/**
 * An environment that reaches a program whole although a shell starts it: some shells, dash for one, drop variables
 * whose names are none in their language, such as `database:host`.
 */
export function throughShell(environment: Environment): Environment {
  const { [carrier]: _, ...given } = environment
  const entries = Object.entries(given)
  const dropped = entries.filter(([name]) => !shellName.test(name))
  if (dropped.length === 0) return given
  return {
    ...Object.fromEntries(entries.filter(([name]) => shellName.test(name))),
    [carrier]: JSON.stringify(Object.fromEntries(dropped)),
  }
}

/** Puts the variables that were carried past a shell where they belong; to be called before the environment is read. */
export function restoreEnvironment(environment: NodeJS.ProcessEnv = process.env): void {
  const text = environment[carrier]
  if (text === undefined) return
  delete environment[carrier]
  Object.assign(environment, JSON.parse(text))
}
