import type { ServiceManager } from '../config/environment.ts'
import type { ListenSettings } from '../config/listen.ts'
import type { GivenSocket } from '../connections/listeners.ts'
import { HelloserverError } from '../errors.ts'
import type { Logger } from '../telemetry/logger.ts'

/** SD_LISTEN_FDS_START: the first inherited socket. */
const firstFd = 3

/** The socket, if any, that a service manager has passed to this process. */
export type Activation =
  | { readonly kind: 'none' }
  /** The socket was passed to another process, such as a shell that started this one. */
  | { readonly kind: 'not-ours'; readonly listenPid: number }
  | { readonly kind: 'socket'; readonly fd: number }

/**
 * Finds the listening socket that a service manager has opened for this process (sd_listen_fds(3)).
 *
 * @param ownPid - this process, for which the socket must be meant
 * @throws HelloserverError `BAD_CONFIG` for values that make no sense, and for more than one socket
 */
export function activation(given: ServiceManager, ownPid: number): Activation {
  const { LISTEN_FDS: fds, LISTEN_PID: pid } = given
  if (fds === undefined && pid === undefined) return { kind: 'none' }
  const listenPid = wholeNumber('LISTEN_PID', pid, 'the PID of the process that the socket is for')
  const count = wholeNumber('LISTEN_FDS', fds, 'the number of inherited sockets')
  if (listenPid !== ownPid) return { kind: 'not-ours', listenPid }
  if (count === 1) return { kind: 'socket', fd: firstFd }
  throw new HelloserverError(
    'BAD_CONFIG',
    `LISTEN_FDS is ${count}; a service has one listening socket, so its socket unit must have exactly one ListenStream`,
  )
}

/**
 * The listening socket that this process was given, if any, for the first endpoint of the configuration.
 *
 * @param isContended - whether other hosts can keep this one from serving
 * @throws HelloserverError `BAD_CONFIG` when a given socket would hide which host serves
 */
export function inheritedSockets(
  given: Activation,
  listen: readonly ListenSettings[],
  isContended: boolean,
  log: Logger,
): readonly GivenSocket[] {
  if (given.kind === 'not-ours') {
    const { listenPid } = given
    log.warn({ listenPid }, 'Ignoring the inherited socket: LISTEN_PID names another process')
  }
  const [first] = listen
  if (given.kind !== 'socket' || first === undefined) return []
  if (!isContended) return [{ kind: 'inherited', fd: given.fd, endpoint: first.endpoint }]
  // A service manager's socket is open on every host, so no client could see which host serves.
  throw new HelloserverError(
    'BAD_CONFIG',
    'A socket that the service manager listens on is open on hosts that stand by, too; run the service without a socket unit, or set lease.mode to "off"',
  )
}

function wholeNumber(variable: string, value: string | undefined, meaning: string): number {
  if (value !== undefined && /^\d{1,10}$/.test(value)) return Number(value)
  throw new HelloserverError(
    'BAD_CONFIG',
    `${variable} is ${value === undefined ? 'missing' : `"${value}"`}; it must be ${meaning}`,
  )
}
