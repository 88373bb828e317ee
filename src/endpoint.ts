/**
 * A TCP address. `host` is an IP address without brackets, or a name, as system calls take it; people read and
 * write the form of `endpointText`, where an IPv6 address has brackets (RFC 3986, 3.2.2).
 */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

/** An endpoint that a socket is bound to. */
export interface BoundEndpoint extends Endpoint {
  /** The socket's actual port; it differs from `port` if that is 0, which means any free one. */
  readonly boundPort: number
}

/** The form for people: `127.0.0.1:30153`, `[::]:30153`, `localhost:30153`. */
export function endpointText({ host, port }: Endpoint): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Parses the form of `endpointText`; undefined for anything else, such as an IPv6 address without brackets. */
export function parseEndpoint(text: string): Endpoint | undefined {
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

export function isSameEndpoint(one: Endpoint, other: Endpoint): boolean {
  return one.host === other.host && one.port === other.port
}
