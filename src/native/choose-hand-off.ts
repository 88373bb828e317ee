import { type Environment, variables } from '../config/environment.ts'
import type { ListenSettings } from '../config/listen.ts'
import { isNativeWanted } from '../config/native-wish.ts'
import { endpointText } from '../endpoint.ts'
import { HelloserverError } from '../errors.ts'
import { loadNative, type NativeModule } from './native.ts'

/** The way from the queue to the workers. */
export interface HandOffChoice {
  /** The module for the native way; undefined for the portable one. */
  readonly native: NativeModule | undefined
  /** In words. */
  readonly reason: string
}

/** The native way if `HELLOSERVER_NATIVE` asks for it, and wherever it works; else the portable one. */
export function chooseHandOff(
  environment: Environment,
  listen: readonly ListenSettings[],
): HandOffChoice {
  if (!isNativeWanted(environment)) {
    return { native: undefined, reason: `${variables.native} is not "on"` }
  }
  const obstacle = obstacleIn(listen)
  if (obstacle !== undefined) return { native: undefined, reason: obstacle }
  const { module, reason } = loadNative()
  return { native: module, reason }
}

/**
 * Refuses endpoints that a service with the native hand-off cannot add while it runs.
 *
 * @throws HelloserverError `RELOAD_FAILED`, naming the endpoint
 */
export function refuseForNative(listen: readonly ListenSettings[]): void {
  const obstacle = obstacleIn(listen)
  if (obstacle === undefined) return
  throw new HelloserverError(
    'RELOAD_FAILED',
    `${obstacle}; use "helloserver upgrade", which changes the hand-off as well`,
  )
}

/** Why one of these endpoints needs the portable hand-off; undefined when none does. */
function obstacleIn(listen: readonly ListenSettings[]): string | undefined {
  for (const { endpoint, tls, proxyProtocol } of listen) {
    const key = tls === undefined ? 'proxyProtocol' : 'tls'
    if (tls === undefined && proxyProtocol === undefined) continue
    return `${endpointText(endpoint)} has ${key}, which the native hand-off lacks`
  }
  return undefined
}
