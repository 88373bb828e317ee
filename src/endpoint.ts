/**
 * The addresses that sockets are bound to or connect to: kept, compared, written and parsed here. Their texts, which
 * people read and write, are `127.0.0.1:30153`, `[::]:30153`, `localhost:30153`, `unix:/run/x.sock` and `unix:@name`.
 *
 * The page loads this file as well, so it imports nothing.
 */
export type Endpoint = TcpEndpoint | UnixEndpoint

/** A TCP endpoint. `host` is an IP address without brackets, or a name, as system calls take it. */
export interface TcpEndpoint {
  readonly host: string
  readonly port: number
  /** For all IPv6 addresses alone: IPv4 clients do not reach it. */
  readonly ipv6Only?: true
  readonly path?: never
}

/** A Unix socket (unix(7)). `path` is absolute, or `@` and a name in the abstract namespace. */
export interface UnixEndpoint {
  readonly path: string
  readonly host?: never
  readonly port?: never
  readonly ipv6Only?: never
}

/** The endpoint that a socket was bound for, and what it got. */
export type BoundEndpoint =
  | (TcpEndpoint & {
      /** The socket's actual port; it differs from `port` if that is 0, which means any free one. */
      readonly boundPort: number
    })
  | UnixEndpoint

/** A socket's own or remote address, as Node.js gives it: a text is the path of a Unix socket. */
type SocketAddress = { readonly address: string; readonly port: number } | string

/** The prefix of a Unix socket's text. */
const unixPrefix = 'unix:'

/** The size of sun_path in unix(7), less its terminating zero or the zero that begins an abstract name. */
const maxPathBytes = 107

/** The text of an endpoint; an IPv6 address has brackets (RFC 3986, 3.2.2). */
export function endpointText(endpoint: Endpoint): string {
  if (endpoint.path !== undefined) return `${unixPrefix}${endpoint.path}`
  const { host, port } = endpoint
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/**
 * All endpoints of a service, for people.
 *
 * @param endpoints - as texts; undefined from a release that has only one, `listen`
 */
export function endpointsText({
  listen,
  endpoints,
}: {
  readonly listen: Endpoint
  readonly endpoints?: readonly string[] | undefined
}): string {
  return endpoints?.join(', ') ?? endpointText(listen)
}

/** Parses the text of an endpoint; undefined for anything else, such as an IPv6 address without brackets. */
export function parseEndpoint(text: string): Endpoint | undefined {
  return text.startsWith(unixPrefix) ? parseUnix(text.slice(unixPrefix.length)) : parseTcp(text)
}

/** Whether two endpoints are the same by their texts; a name and the address that it stands for are not. */
export function isSameEndpoint(one: Endpoint, other: Endpoint): boolean {
  return endpointText(one) === endpointText(other)
}

/** Whether a bound socket is already at `wanted`. Port 0 is wherever it was bound for port 0. */
export function isBoundAt(bound: BoundEndpoint, wanted: Endpoint): boolean {
  if (bound.ipv6Only !== wanted.ipv6Only) return false
  if (isSameEndpoint(bound, wanted)) return true
  if (bound.path !== undefined || wanted.path !== undefined) return false
  return bound.host === wanted.host && bound.boundPort === wanted.port
}

/** Whether the system lets no two sockets listen at these: one of them takes all addresses of the other's kind. */
export function areExclusive(one: Endpoint, other: Endpoint): boolean {
  if (one.path !== undefined || other.path !== undefined) return isSameEndpoint(one, other)
  // With port 0, each gets a free one.
  if (one.port !== other.port || one.port === 0) return false
  return isSameEndpoint(one, other) || covers(one, other) || covers(other, one)
}

/** Whether `one` is for all addresses of a host, at least for those of the kind that `other` has. */
function covers(one: TcpEndpoint, other: TcpEndpoint): boolean {
  const hasIPv6 = other.host.includes(':')
  if (one.host === '::') return hasIPv6 || one.ipv6Only !== true
  return one.host === '0.0.0.0' && !hasIPv6
}

/** The prefix of an IPv4 address as sockets for both kinds show it (RFC 4291, 2.5.5.2). */
const mappedIPv4 = /^::ffff:(?=\d+\.)/i

/** An address as people write it: an IPv4 client of an endpoint for both kinds has an IPv4 address. */
export function plainAddress(address: string): string {
  return address.replace(mappedIPv4, '')
}

/** The endpoint of a socket's address. */
export function endpointOf(address: SocketAddress): Endpoint {
  // Node.js has the zero that begins an abstract name, which people write as "@".
  if (typeof address === 'string') return { path: address.replace(/^\0/, '@') }
  return { host: address.address, port: address.port }
}

/** Whether a Unix socket has a file, not a name in the abstract namespace. */
export function hasFile(endpoint: Endpoint): boolean {
  return endpoint.path?.startsWith('/') ?? false
}

function parseUnix(path: string): UnixEndpoint | undefined {
  const isPath =
    /^(\/|@)[^\0]+$/.test(path) && new TextEncoder().encode(path).length <= maxPathBytes
  return isPath ? { path } : undefined
}

function parseTcp(text: string): TcpEndpoint | undefined {
  const [, host = '', digits] = /^(\[[^\]]+\]|[^:[\]\s/]+):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  const bare = parseHost(host)
  return bare === undefined || !(port <= 65_535) ? undefined : { host: bare, port }
}

/** The host as system calls take it, from one with or without brackets; undefined for an invalid host. */
export function parseHost(text: string): string | undefined {
  const bracketed = /^\[(.+)\]$/.exec(text)?.[1]
  if (bracketed !== undefined) return isIPv6(bracketed) ? bracketed : undefined
  return isIPv6(text) || isName(text) ? text : undefined
}

/** The maximum lengths of a name and of each of its labels (RFC 1035, 2.3.4). */
const maxNameLength = 253
const maxLabelLength = 63

/**
 * Whether some resolver may know a name. By the URL standard, as by inet_aton(3), a name that ends in a number
 * is an IPv4 address: `127.1` is one, `256.1.1.1` never will be.
 */
function isName(text: string): boolean {
  if (text.length > maxNameLength || /[\s:/?#@%\\[\]]/.test(text)) return false
  const labels = text.replace(/\.$/, '').split('.')
  const areLabels = labels.every(
    (label) => label.length <= maxLabelLength && /^[^-]/.test(label) && !label.endsWith('-'),
  )
  return areLabels && URL.canParse(`http://${text}`)
}

/** Uses the URL standard's parser, which browsers share; it knows no zone, as in `fe80::1%eth0`. */
function isIPv6(text: string): boolean {
  return text.includes(':') && URL.canParse(`http://[${text.replace(/%[^%[\]/\s]+$/, '')}]`)
}
