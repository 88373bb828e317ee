import { HelloserverError } from '../errors.ts'
import { type Environment, variables } from './environment.ts'

const wishes = ['on', 'off'] as const

/**
 * Whether the native module is wanted, as `HELLOSERVER_NATIVE` says [on].
 *
 * @throws HelloserverError `BAD_CONFIG` for anything but `on` and `off`
 */
export function isNativeWanted(environment: Environment): boolean {
  const given = environment[variables.native] ?? 'on'
  const wish = wishes.find((one) => one === given)
  if (wish !== undefined) return wish === 'on'
  throw new HelloserverError(
    'BAD_CONFIG',
    `${variables.native} is "${given}"; it must be ${wishes.map((one) => `"${one}"`).join(' or ')}`,
  )
}
