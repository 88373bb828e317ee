import { isIP } from 'node:net'
import { endpointText, type TcpEndpoint } from '../endpoint.ts'
import { codeOf, HelloserverError, messageOf } from '../errors.ts'

/** The names of a listener and its settings, for the text of an error. */
export interface ListenerNames {
  /** The beginning of the sentence, before the address. */
  readonly what: string
  /** The setting of the address. */
  readonly setting: string
  /** The setting of the port. */
  readonly portSetting: string
}

/** A resolver's codes for a name that may be known later: it has no address, or no resolver could be asked. */
const unresolved =
  /^(ENOTFOUND|EAI_(AGAIN|FAIL|NODATA|NONAME|ADDRFAMILY|SYSTEM)|ETIMEOUT|ESERVFAIL|ECONNREFUSED)$/

/** The system's codes for an address, a network or an interface that it lacks and may yet get. */
const absent = /^(EADDRNOTAVAIL|ENETUNREACH|EHOSTUNREACH|ENETDOWN|ENODEV|ENXIO|EAFNOSUPPORT)$/

/** IPv6 addresses that are valid on one link only (RFC 4291, 2.5.6). */
const linkLocal = /^fe[89ab][\da-f]:/i

/**
 * The reason why no process can listen at an address: `ADDRESS_ABSENT` when the host may have it later,
 * `BAD_CONFIG` when it never will, `ADDRESS_TAKEN` for everything else.
 *
 * @param address - the address that the host stands for, as far as it is known
 */
export function bindFailure(
  error: unknown,
  endpoint: TcpEndpoint,
  { what, setting, portSetting }: ListenerNames,
  address = endpoint.host,
): HelloserverError {
  const { host } = endpoint
  const code = codeOf(error) ?? ''
  const resolved = address === host ? '' : ` (${address})`
  const fail = (kind: 'ADDRESS_ABSENT' | 'ADDRESS_TAKEN' | 'BAD_CONFIG', why: string) =>
    new HelloserverError(kind, `${what} ${endpointText(endpoint)}${resolved}: ${why}`, {
      cause: error,
    })
  if (code === 'EADDRINUSE') {
    return fail(
      'ADDRESS_TAKEN',
      `another program uses it; stop that program, or set ${portSetting}`,
    )
  }
  if (code === 'EACCES') {
    return fail(
      'BAD_CONFIG',
      `permission denied; use a port above 1023, or run with CAP_NET_BIND_SERVICE`,
    )
  }
  if (isIP(host) === 0 && unresolved.test(code)) {
    return fail('ADDRESS_ABSENT', `the name does not resolve (${messageOf(error)})`)
  }
  if (absent.test(code)) return fail('ADDRESS_ABSENT', 'this host does not have the address')
  if (code === 'EINVAL' && linkLocal.test(address)) {
    const zone = address.split('%')[1]
    return zone === undefined
      ? fail(
          'BAD_CONFIG',
          `a link-local address needs its interface; set ${setting} to "${host}%INTERFACE"`,
        )
      : fail('ADDRESS_ABSENT', `this host does not have the interface "${zone}"`)
  }
  return fail('ADDRESS_TAKEN', messageOf(error))
}
