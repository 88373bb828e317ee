import { codeOf, messageOf } from '../errors.ts'

/** The reason why Redis cannot be used. */
export interface RedisProblem {
  /** A readable clause, as in "Redis at db:6379 rejects the password". */
  readonly text: string
  /** A retry does not help: an operator has to change something. */
  readonly isPermanent: boolean
}

interface Row {
  /** Matches the server's answer, the connection's error, or its code. */
  readonly sign: RegExp
  readonly words: string
  readonly isPermanent?: true
  /** Whether the original message says more. */
  readonly isQuoted?: true
  /** The likely fault of a connection that has never worked, with TLS or without. */
  readonly guess?: (tls: boolean) => string
}

/** The first row that matches wins. */
const table: readonly Row[] = [
  {
    sign: /WRONGPASS|invalid password|ERR AUTH.*without any password/i,
    words: 'rejects the password',
    isPermanent: true,
  },
  {
    sign: /NOAUTH|Authentication required/i,
    words: 'requires a password',
    isPermanent: true,
  },
  {
    sign: /NOPERM/,
    words: 'denies the user a permission that is needed',
    isPermanent: true,
    isQuoted: true,
  },
  // If the server is a replica for good, the start detects that.
  { sign: /READONLY/, words: 'is a read-only replica' },
  { sign: /Too many Cluster redirections/i, words: 'is switching to another master' },
  {
    sign: /MOVED|CROSSSLOT/,
    words: 'is part of a cluster; use redis+cluster://',
    isPermanent: true,
  },
  {
    sign: /cluster support disabled/i,
    words: 'is not a cluster; use redis://',
    isPermanent: true,
  },
  { sign: /NOREPLICAS|WAIT/, words: 'has too few replicas in sync' },
  { sign: /LOADING/, words: 'is loading its data' },
  { sign: /MASTERDOWN|CLUSTERDOWN|TRYAGAIN/, words: 'is switching to another master' },
  { sign: /MISCONF/, words: 'rejects writes because it cannot save them' },
  { sign: /OOM/, words: 'rejects writes because it is out of memory' },
  {
    sign: /invalid DB index|DB index is out of range/i,
    words: 'does not have that database',
    isPermanent: true,
  },
  { sign: /No such master with that name/i, words: 'is unknown to its sentinels' },
  {
    sign: /unknown command .sentinel/i,
    words: 'cannot be found: the server at that address is not a sentinel',
    isPermanent: true,
  },
  { sign: /All sentinels are unreachable/i, words: 'cannot be found: no sentinel answers' },
  { sign: /None of startup nodes|Failed to refresh slots/i, words: 'does not answer' },
  {
    sign: /timed? ?out|ETIMEDOUT|in time/i,
    words: 'does not answer in time',
    guess: (tls) => (tls ? '; does it speak TLS?' : ''),
  },
  { sign: /ECONNREFUSED/, words: 'refuses connections' },
  { sign: /ENOTFOUND|EAI_AGAIN/, words: 'has a name that cannot be resolved' },
  { sign: /EHOSTUNREACH|ENETUNREACH/, words: 'cannot be reached' },
  {
    sign: /certificate|self.signed|ERR_TLS|wrong version number|EPROTO/i,
    words: 'cannot be reached over TLS',
    isPermanent: true,
    isQuoted: true,
  },
  { sign: /RESP type|Protocol error/i, words: 'does not speak the Redis protocol' },
  { sign: /writeable|isn't ready|max retries/i, words: 'is not connected yet' },
  {
    sign: /ECONNRESET|EPIPE|closed/i,
    words: 'has closed the connection',
    guess: (tls) =>
      tls
        ? '; does it speak TLS?'
        : '; does it require TLS (rediss://), or does it have too many clients (maxclients)?',
  },
]

/**
 * Explains an error of Redis in words.
 *
 * @param where - the server, in readable form
 * @param error - as reported by ioredis or the server
 * @param tls - whether the connection uses TLS; undefined once it has worked
 */
export function explainRedis(where: string, error: unknown, tls?: boolean): RedisProblem {
  const message = messageOf(error)
  const code = codeOf(error) ?? ''
  const damage = damageIn(message)
  if (damage !== undefined) return { text: `${where} ${damage}`, isPermanent: false }
  const row = table.find(({ sign }) => sign.test(message) || sign.test(code))
  if (row === undefined) return { text: `${where} fails: ${message}`, isPermanent: false }
  const { words, isPermanent = false, isQuoted = false, guess } = row
  const quote = isQuoted ? ` (${message})` : ''
  // A server that expects the other protocol waits for more data, or hangs up.
  const question = tls === undefined ? '' : (guess?.(tls) ?? '')
  return { text: `${where} ${words}${quote}${question}`, isPermanent }
}

/**
 * Explains which value is corrupt, when a script has refused to count with one (`corrupt` in lua/server.lua). A waiting
 * host continues once that is repaired.
 */
function damageIn(message: string): string | undefined {
  const [, found] = /CORRUPT (\[.*\]) CORRUPT/.exec(message) ?? []
  if (found === undefined) return undefined
  const [key, field, value] = (JSON.parse(found) as string[]).map((text) => JSON.stringify(text))
  return `is corrupt: ${field} of ${key} is ${value}, but must be a whole number below 2^53 that can be incremented; stop all hosts, delete the key, and start them again`
}
