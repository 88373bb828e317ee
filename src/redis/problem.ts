import { codeOf, messageOf } from '../errors.ts'

/** The reason why Redis cannot be used. */
export interface RedisProblem {
  /** A readable clause, as in "Redis at db:6379 refuses the password". */
  readonly text: string
  /** A retry does not help: somebody has to change something. */
  readonly isPermanent: boolean
}

/** Patterns for a server's answer or a connection's error, each with its meaning in words. The first match wins. */
const table: readonly (readonly [RegExp, string, 'permanent' | 'passing'])[] = [
  [
    /WRONGPASS|invalid password|ERR AUTH.*without any password/i,
    'refuses the password',
    'permanent',
  ],
  [/NOAUTH|Authentication required/i, 'wants a password', 'permanent'],
  [/NOPERM/, 'forbids the user something that is needed', 'permanent'],
  // If the server is a replica for good, the start detects that.
  [/READONLY/, 'is a read-only replica', 'passing'],
  [/Too many Cluster redirections/i, 'is between two masters', 'passing'],
  [/MOVED|CROSSSLOT/, 'is part of a cluster; use redis+cluster://', 'permanent'],
  [/cluster support disabled/i, 'is no cluster; use redis://', 'permanent'],
  [/NOREPLICAS|WAIT/, 'has too few replicas that keep up', 'passing'],
  [/LOADING/, 'is loading its data', 'passing'],
  [/MASTERDOWN|CLUSTERDOWN|TRYAGAIN/, 'is between two masters', 'passing'],
  [/MISCONF/, 'does not take writes: it cannot save them', 'passing'],
  [/OOM/, 'does not take writes: it is out of memory', 'passing'],
  [/invalid DB index|DB index is out of range/i, 'has no such database', 'permanent'],
  [/No such master with that name/i, 'is unknown to them', 'passing'],
  [/unknown command .sentinel/i, 'is asked for where there is no sentinel', 'permanent'],
  [/All sentinels are unreachable/i, 'cannot be found: no sentinel answers', 'passing'],
  [/None of startup nodes|Failed to refresh slots/i, 'does not answer', 'passing'],
  [/timed? ?out|ETIMEDOUT|in time/i, 'does not answer in time', 'passing'],
  [/ECONNREFUSED/, 'refuses connections', 'passing'],
  [/ENOTFOUND|EAI_AGAIN/, 'has a name that cannot be resolved', 'passing'],
  [/EHOSTUNREACH|ENETUNREACH/, 'cannot be reached', 'passing'],
  [
    /certificate|self.signed|ERR_TLS|wrong version number|EPROTO/i,
    'cannot be spoken to by TLS',
    'permanent',
  ],
  [/RESP type|Protocol error/i, 'does not answer as Redis does', 'passing'],
  [/writeable|isn't ready|max retries/i, 'is not connected yet', 'passing'],
  [/ECONNRESET|EPIPE|closed/i, 'has closed the connection', 'passing'],
]

/**
 * @param where - the server, in readable form
 * @param error - as reported by ioredis or the server
 * @param tls - whether TLS was used; undefined once that was known to be right
 */
export function explainRedis(where: string, error: unknown, tls?: boolean): RedisProblem {
  const message = messageOf(error)
  const code = codeOf(error) ?? ''
  const damage = damageIn(message)
  if (damage !== undefined) return { text: `${where} ${damage}`, isPermanent: false }
  const row = table.find(([sign]) => sign.test(message) || sign.test(code))
  if (row === undefined) return { text: `${where} fails: ${message}`, isPermanent: false }
  const [, words, kind] = row
  const detail =
    words.includes('forbids') || words.includes('TLS') ? ` (${message})` : guess(words, tls)
  return { text: `${where} ${words}${detail}`, isPermanent: kind === 'permanent' }
}

/**
 * The values that made a script refuse to count (`askServer` in lua.ts). A waiting host continues once somebody has
 * repaired them.
 */
function damageIn(message: string): string | undefined {
  const [, found] = /CORRUPT (\[.*\]) CORRUPT/.exec(message) ?? []
  if (found === undefined) return undefined
  const [key, field, value] = JSON.parse(found) as [string, string, string]
  const quoted = [field, key, value].map((text) => JSON.stringify(text))
  return `is corrupt: ${quoted[0]} of ${quoted[1]} is ${quoted[2]}, and must be a whole number below 2^53 with room for the next; stop all hosts, delete the key, and start them again`
}

/** A server that expects the other protocol waits for more data, or hangs up. */
function guess(words: string, tls: boolean | undefined): string {
  if (tls === true && /in time|has closed/.test(words)) return '; does it speak TLS?'
  return tls === false && words.includes('has closed')
    ? '; does it want TLS (rediss://), or has it too many clients (maxclients)?'
    : ''
}
