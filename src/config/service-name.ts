import { HelloserverError } from '../errors.ts'

const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/**
 * Refuses a name that no service can have, and no app: both name files.
 *
 * @param name - as a person has written it, in a command or in a program
 * @param what - what it is the name of
 * @throws HelloserverError `BAD_CONFIG`
 */
export function mustBeName(name: unknown, what: 'service' | 'app' = 'service'): void {
  if (typeof name === 'string' && namePattern.test(name)) return
  const shown = typeof name === 'string' ? `"${name}"` : String(name)
  throw new HelloserverError(
    'BAD_CONFIG',
    `The ${what} name is ${shown}; it must be 1 to 64 letters, digits, ".", "_" or "-", and start with a letter or digit`,
  )
}
