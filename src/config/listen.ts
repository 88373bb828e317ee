import { isIP, SocketAddress } from 'node:net'
import { normalize } from 'node:path'
import {
  areExclusive,
  type Endpoint,
  endpointText,
  hasFile,
  isSameEndpoint,
  parseEndpoint,
} from '../endpoint.ts'
import { networkAllowed, parseNetwork } from './network.ts'
import { absoluteTls, type TlsSettings, tlsSchema } from './tls-settings.ts'
import * as z from './zod.ts'

/** The most endpoints that a service may have. */
export const maxEndpoints = 64

/**
 * A Unix socket is bound under a temporary name that is 8 bytes longer: the size of sun_path in unix(7), less its
 * terminating zero and the length of a PID and a dot.
 */
const maxSocketPathBytes = 99

const addressAllowed = `"address:port", "[IPv6 address]:port", "unix:/path" (up to ${maxSocketPathBytes} bytes) or "unix:@name"`
const entryAllowed = `${addressAllowed}, or an object with such an "address"`
const modeAllowed = 'a mode in octal digits, such as "0660"'
const defaultMode = '0660'
const ownerAllowed = '"user", "user:group" or ":group", each a name or a number'
const listAllowed = `a list of 1 to ${maxEndpoints} endpoints`

const address = (allowed: string) =>
  z.string({ error: allowed }).refine((text) => isUsable(text), { error: allowed })

function isUsable(text: string): boolean {
  const endpoint = parseEndpoint(text)
  if (endpoint === undefined) return false
  if (!hasFile(endpoint)) return true
  const { path = '' } = endpoint
  return !path.endsWith('/') && Buffer.byteLength(path) <= maxSocketPathBytes
}

const trustedAllowed = 'a list of at least one address or network'
const proxyProtocolAllowed = 'true, false, or an object with a list "trusted"'

const proxyProtocol = z.union(
  [
    z.boolean(),
    z.strictObject({
      trusted: z
        .array(
          z
            .string({ error: networkAllowed })
            .refine((text) => parseNetwork(text) !== undefined, { error: networkAllowed }),
          { error: trustedAllowed },
        )
        .min(1, { error: trustedAllowed })
        .describe('Addresses and networks whose PROXY headers are believed'),
    }),
  ],
  { error: proxyProtocolAllowed },
)

const entry = z.union(
  [
    address(entryAllowed),
    z.strictObject({
      address: address(addressAllowed).describe(
        'Where to listen: "address:port", "[IPv6 address]:port", "unix:/path" or "unix:@name"',
      ),
      tls: tlsSchema
        .optional()
        .describe('TLS for this endpoint; paths are relative to this file [no TLS]'),
      proxyProtocol: proxyProtocol
        .optional()
        .describe(
          'Whether connections begin with a PROXY header: "true" for those from this host, or an object with the addresses that are trusted, too [false]',
        ),
      mode: z
        .string({ error: modeAllowed })
        .regex(/^0?[0-7]{3}$/, { error: modeAllowed })
        .optional()
        .describe('Permissions of a Unix socket, in octal digits ["0660"]'),
      owner: z
        .string({ error: ownerAllowed })
        .regex(/^(?!:?$)[^:\s]*(:[^:\s]+)?$/, { error: ownerAllowed })
        .optional()
        .describe(
          'Owner of a Unix socket: "user", "user:group" or ":group" [the user of the service]',
        ),
      ipv6Only: z
        .boolean({ error: 'true or false' })
        .optional()
        .describe('Whether an IPv6 endpoint for all addresses refuses IPv4 clients [false]'),
    }),
  ],
  { error: entryAllowed },
)

/** The key `listen` of the configuration file. */
export const listenSchema = z
  .array(entry, { error: listAllowed })
  .min(1, { error: listAllowed })
  .max(maxEndpoints, { error: listAllowed })
  .optional()
  .describe(
    'Where to listen, each a text or an object with settings; "host" and "port" are the short form of one endpoint',
  )

type Entry = z.output<typeof entry>

/** PROXY headers on an endpoint: from the addresses of this host alone, or from those that are trusted. */
export type ProxySettings = Exclude<z.output<typeof proxyProtocol>, boolean> | true

/** The permissions of a Unix socket's file. */
export interface SocketFileSettings {
  /** As for chmod(2). */
  readonly mode: number
  /** `user`, `user:group` or `:group`; undefined: whatever the system assigns. */
  readonly owner?: string
}

/** An endpoint of the configuration, and how it is served. */
export interface ListenSettings {
  readonly endpoint: Endpoint
  readonly tls?: TlsSettings
  readonly proxyProtocol?: ProxySettings
  /** Of a Unix socket that has a file. */
  readonly file?: SocketFileSettings
}

/**
 * An entry of `listen`, which the schema has accepted.
 *
 * @param directory - the base of relative paths
 */
export function listenSettings(given: Entry, directory: string): ListenSettings {
  const {
    address: text,
    tls: ofTls,
    proxyProtocol: ofProxy = false,
    mode = defaultMode,
    owner,
    ipv6Only = false,
  } = typeof given === 'string' ? ({ address: given } as const) : given
  const parsed = parseEndpoint(text)
  if (parsed === undefined) throw new Error(`The schema has accepted "${text}"`)
  const endpoint = inOneSpelling(parsed)
  return {
    endpoint: ipv6Only && endpoint.path === undefined ? { ...endpoint, ipv6Only } : endpoint,
    ...(ofTls !== undefined && { tls: absoluteTls(ofTls, directory) }),
    ...(ofProxy !== false && { proxyProtocol: ofProxy }),
    ...(hasFile(endpoint) && {
      file: { mode: Number.parseInt(mode, 8), ...(owner !== undefined && { owner }) },
    }),
  }
}

/** The same endpoint for all spellings of its address or path, so that each is named once. */
function inOneSpelling(endpoint: Endpoint): Endpoint {
  if (endpoint.path !== undefined) {
    return hasFile(endpoint) ? { path: normalize(endpoint.path) } : endpoint
  }
  const { host, port } = endpoint
  const family = isIP(host)
  // A zone, as in fe80::1%eth0, is no part of the address.
  if (family === 0 || host.includes('%')) return endpoint
  return {
    host: new SocketAddress({ address: host, family: `ipv${family as 4 | 6}` }).address,
    port,
  }
}

/**
 * The problems of a list that the schema cannot see, each in a sentence that names the key: settings that an endpoint
 * of its kind does not have, and endpoints that exclude each other.
 */
export function listenProblems(given: readonly Entry[]): string[] {
  const endpoints = given.map((one) => listenSettings(one, '/').endpoint)
  return given.flatMap((one, at) => [...misplaced(one, at), ...excluded(endpoints, at)])
}

function misplaced(given: Entry, at: number): string[] {
  if (typeof given === 'string') return []
  const { endpoint } = listenSettings(given, '/')
  const onlyFor = {
    mode: hasFile(endpoint),
    owner: hasFile(endpoint),
    ipv6Only: isAllIPv6(endpoint),
  }
  return Object.entries(onlyFor)
    .filter(([name, isAllowed]) => given[name as keyof typeof onlyFor] !== undefined && !isAllowed)
    .map(([name]) => {
      const kind = name === 'ipv6Only' ? '"[::]:port"' : '"unix:/path"'
      return `listen.${at}.${name} is set for "${given.address}"; it must be left out except for ${kind}`
    })
}

const isAllIPv6 = ({ host }: Endpoint) => host === '::'

function excluded(endpoints: readonly Endpoint[], at: number): string[] {
  const own = endpoints[at] as Endpoint
  return endpoints.slice(0, at).flatMap((other, before) => {
    if (isSameEndpoint(own, other))
      return [`listen.${before} and listen.${at} are both "${endpointText(own)}"; name it once`]
    if (!areExclusive(own, other)) return []
    return [
      `listen.${before} is "${endpointText(other)}" and listen.${at} is "${endpointText(own)}", which the system does not allow together; give one of them another port`,
    ]
  })
}
