import { endpointText, parseHost, type TcpEndpoint } from '../endpoint.ts'
import { HelloserverError } from '../errors.ts'

interface Credentials {
  readonly username: string | undefined
  readonly password: string | undefined
  readonly tls: boolean
}

/** The location and topology of Redis. */
export type RedisTarget = Credentials &
  (
    | ({ readonly kind: 'single'; readonly db: number } & TcpEndpoint)
    | {
        readonly kind: 'sentinel'
        readonly sentinels: readonly TcpEndpoint[]
        /** The sentinels' name for the group of servers. */
        readonly group: string
        readonly db: number
        readonly sentinelPassword: string | undefined
      }
    | { readonly kind: 'cluster'; readonly nodes: readonly TcpEndpoint[] }
  )

const defaultPort = { single: 6379, sentinel: 26_379, cluster: 6379 } as const

const forms =
  'redis://HOST:PORT[/DB], redis+sentinel://HOST:PORT,HOST:PORT/GROUP[/DB] or redis+cluster://HOST:PORT,HOST:PORT, with USER:PASSWORD@ before the hosts if they require it, rediss instead of redis for TLS, and each of :/?@% in a password percent-encoded (%2F for a slash)'

/**
 * Scheme, credentials (up to the last @, as in `URL`, since passwords contain them), hosts, path, query. `URL` itself
 * does not serve here: it accepts only one host.
 */
const pattern =
  /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^/?]*)@)?([^/?]*)(\/[^?]*)?(?:\?(.*))?$/

/**
 * Parses a Redis URL.
 *
 * @param label - where the URL was given, for the error message
 * @throws HelloserverError `BAD_CONFIG`; the message quotes nothing, since any part may turn out to be a password
 */
export function parseRedisUrl(url: string, label: string): RedisTarget {
  const refuse = (problem: string): never => {
    throw new HelloserverError('BAD_CONFIG', `${label}: ${problem}; it must be ${forms}`)
  }
  const found = pattern.exec(url)
  if (found === null) return refuse('it is not a Redis URL')
  const [, scheme, form, user = '', hosts = '', path = '', query = ''] = found
  const kind = (form ?? 'single') as RedisTarget['kind']
  const parameters = new URLSearchParams(query)
  // An "@" here means that this, and the hosts, are parts of a password, which must not appear in a message.
  if ([path, ...parameters.keys()].some((part) => part.includes('@'))) {
    return refuse('it has an "@" after the hosts; in a password write %2F for "/" and %3F for "?"')
  }
  const addresses = hosts.split(',').map((host) => addressOf(host, defaultPort[kind], refuse))
  const [first, ...others] = addresses
  if (first === undefined) return refuse('it does not name a host')
  const unknown = [...parameters.keys()].filter(
    (key) => kind !== 'sentinel' || key !== 'sentinelPassword',
  )
  if (unknown.length > 0) return refuse('it has an unknown parameter')
  const credentials = { ...credentialsOf(user, refuse), tls: scheme === 'rediss' }
  const segments = path
    .split('/')
    .slice(1)
    .map(decode)
    .filter((segment) => segment !== '')
  if (kind === 'cluster') {
    if (segments.length > 0) return refuse('a cluster has no databases')
    return { kind, ...credentials, nodes: addresses }
  }
  if (kind === 'single') {
    if (others.length > 0) return refuse('it names more than one host')
    if (segments.length > 1) return refuse('its path has too many parts')
    return { kind, ...credentials, ...first, db: databaseOf(segments[0], refuse) }
  }
  const [group, db, ...rest] = segments
  if (group === undefined) return refuse('it does not name the group that the sentinels watch')
  if (rest.length > 0) return refuse('its path has too many parts')
  return {
    kind,
    ...credentials,
    sentinels: addresses,
    group,
    db: databaseOf(db, refuse),
    sentinelPassword: parameters.get('sentinelPassword') ?? undefined,
  }
}

/** Describes a target in readable form, without credentials. */
export function describeTarget(target: RedisTarget): string {
  const list = (addresses: readonly TcpEndpoint[]) => addresses.map(endpointText).join(', ')
  if (target.kind === 'single') return `Redis at ${list([target])}`
  if (target.kind === 'cluster') return `Redis cluster at ${list(target.nodes)}`
  return `Redis group "${target.group}" (sentinels at ${list(target.sentinels)})`
}

type Refuse = (problem: string) => never

function addressOf(text: string, fallback: number, refuse: Refuse): TcpEndpoint {
  const found = /^(\[[^\]]+\]|[^:]+)(?::(\d+))?$/.exec(text)
  const host = parseHost(found?.[1] ?? '')
  const port = Number(found?.[2] ?? fallback)
  if (host === undefined) return refuse('it has an invalid host')
  if (port < 1 || port > 65_535) return refuse('it has a port outside 1 to 65535')
  return { host, port }
}

function credentialsOf(user: string, refuse: Refuse): Pick<Credentials, 'username' | 'password'> {
  if (user === '') return { username: undefined, password: undefined }
  const at = user.indexOf(':')
  if (at < 0) return refuse('it has a user without a password')
  const username = decode(user.slice(0, at))
  return { username: username === '' ? undefined : username, password: decode(user.slice(at + 1)) }
}

function databaseOf(segment: string | undefined, refuse: Refuse): number {
  if (segment === undefined) return 0
  return /^\d{1,4}$/.test(segment) ? Number(segment) : refuse('its database is not a number')
}

/**
 * Decodes a percent-encoded text. A percent sign that begins no code stands for itself, since passwords contain them.
 */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
