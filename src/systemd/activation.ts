import type { ServiceManager } from '../config/environment.ts'
import { type ListenSettings, maxEndpoints } from '../config/listen.ts'
import type { GivenSocket } from '../connections/listeners.ts'
import { HelloserverError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'

/** SD_LISTEN_FDS_START: the first inherited socket. */
const firstFd = 3

/** A descriptor of a listening socket, and its name in the socket unit, if it has one. */
export interface InheritedSocket {
  readonly fd: number
  readonly name: string | undefined
}

/** The sockets, if any, that a service manager has passed to this process. */
export type Activation =
  | { readonly kind: 'none' }
  /** They were passed to another process, such as a shell that started this one. */
  | { readonly kind: 'not-ours'; readonly listenPid: number }
  | { readonly kind: 'sockets'; readonly sockets: readonly InheritedSocket[] }

/**
 * Finds the listening sockets that a service manager has opened for this process (sd_listen_fds_with_names(3)).
 *
 * @param ownPid - this process, for which the sockets must be meant
 * @throws HelloserverError `BAD_CONFIG` for values that make no sense
 */
export function activation(given: ServiceManager, ownPid: number): Activation {
  const { LISTEN_FDS: fds, LISTEN_PID: pid, LISTEN_FDNAMES: fdNames = '' } = given
  if (fds === undefined && pid === undefined) return { kind: 'none' }
  const listenPid = wholeNumber('LISTEN_PID', pid, 'the PID of the process that the socket is for')
  const count = wholeNumber('LISTEN_FDS', fds, 'the number of inherited sockets')
  if (listenPid !== ownPid) return { kind: 'not-ours', listenPid }
  if (count === 0 || count > maxEndpoints) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `LISTEN_FDS is ${count}; it must be a number of sockets from 1 to ${maxEndpoints}`,
    )
  }
  const names = fdNames.split(':')
  const sockets = Array.from({ length: count }, (_, at) => ({
    fd: firstFd + at,
    name: names[at] === '' ? undefined : names[at],
  }))
  return { kind: 'sockets', sockets }
}

/**
 * The listening sockets that this process was given, each with its endpoint: that which its name tells, such as
 * `listen.0`; or, where no name is one of those, in the order of the configuration.
 *
 * @param listen - the endpoints of the configuration
 * @param isContended - whether other hosts can keep this one from serving
 * @throws HelloserverError `BAD_CONFIG` when a socket has no endpoint, or would hide which host serves
 */
export function inheritedSockets(
  given: Activation,
  listen: readonly ListenSettings[],
  isContended: boolean,
  log: Logger,
): readonly GivenSocket[] {
  if (given.kind === 'not-ours') {
    const { listenPid } = given
    log.warn({ listenPid }, 'Ignoring the inherited sockets: LISTEN_PID names another process')
  }
  if (given.kind !== 'sockets') return []
  if (!isContended) return assigned(given.sockets, listen)
  // A service manager's socket is open on every host, so no client could see which host serves.
  throw new HelloserverError(
    'BAD_CONFIG',
    'A socket that the service manager listens on is open on hosts that stand by, too; run the service without a socket unit, or set lease.mode to "off"',
  )
}

/** The names by which a socket unit assigns a socket to an endpoint: its key in the configuration. */
const endpointName = /^listen\.(\d{1,2})$/

function assigned(
  sockets: readonly InheritedSocket[],
  listen: readonly ListenSettings[],
): GivenSocket[] {
  const isNamed = sockets.some(({ name }) => endpointName.test(name ?? ''))
  if (!isNamed && sockets.length !== listen.length) {
    throw new HelloserverError(
      'BAD_CONFIG',
      `The service manager has passed ${countOf(sockets.length, 'socket')} for ${countOf(listen.length, 'endpoint')}; name each by FileDescriptorName= with its key, such as "listen.0", or configure as many endpoints`,
    )
  }
  const taken = new Set<number>()
  return sockets.map(({ fd, name }, at) => {
    const number = isNamed ? Number(endpointName.exec(name ?? '')?.[1] ?? Number.NaN) : at
    const settings = listen[number]
    if (settings === undefined || taken.has(number)) {
      throw new HelloserverError(
        'BAD_CONFIG',
        `The service manager's socket ${fd} is named "${name ?? ''}"; it must be the key of an endpoint that has no other socket, from "listen.0" to "listen.${listen.length - 1}"`,
      )
    }
    taken.add(number)
    return { kind: 'inherited', fd, endpoint: settings.endpoint }
  })
}

function countOf(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}

function wholeNumber(variable: string, value: string | undefined, meaning: string): number {
  if (value !== undefined && /^\d{1,10}$/.test(value)) return Number(value)
  throw new HelloserverError(
    'BAD_CONFIG',
    `${variable} is ${value === undefined ? 'missing' : `"${value}"`}; it must be ${meaning}`,
  )
}
