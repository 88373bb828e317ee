import { type Environment, variables } from './environment.ts'
import { shownValue } from './shown-value.ts'

/** The settings that a variable can override. */
export const overridable = ['host', 'port', 'listen', 'workers', 'logLevel'] as const

/**
 * The settings that come from the environment although the file differs, each in a sentence: variables are
 * easily forgotten, and those of the shell that once started a supervisor reach everything that it starts.
 *
 * @param raw - the file as it was read
 * @param path - its name
 */
export function overridesIn(
  raw: Readonly<Record<string, unknown>>,
  environment: Environment,
  path: string,
): string[] {
  return overridable.flatMap((key) => {
    const variable = variables[key]
    const value = environment[variable]
    if (value === undefined || String(raw[key]) === value) return []
    // In place of a list, it takes the place of these, too.
    if (key === 'listen' && raw['listen'] === undefined && hasShortForm(raw)) {
      return [`${variable}=${value} overrides host and port of ${path}`]
    }
    const what =
      raw[key] === undefined
        ? `sets ${key}, which ${path} leaves out`
        : `overrides ${key} ${shownValue(raw[key])} of ${path}`
    return [`${variable}=${value} ${what}`]
  })
}

function hasShortForm({ host, port }: Readonly<Record<string, unknown>>): boolean {
  return host !== undefined || port !== undefined
}
