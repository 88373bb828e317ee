import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainRedis } from '../../../src/redis/problem.ts'

const errorWith = (message: string, code?: string) => Object.assign(new Error(message), { code })

for (const [message, words, isPermanent] of [
  ['WRONGPASS invalid username-password pair', 'rejects the password', true],
  ['NOAUTH Authentication required.', 'requires a password', true],
  [
    "NOPERM this user has no permissions to run the 'eval' command",
    'denies the user a permission',
    true,
  ],
  ["READONLY You can't write against a read only replica.", 'is a read-only replica', false],
  ['MOVED 866 127.0.0.1:7001', 'is part of a cluster; use redis+cluster://', true],
  [
    'Too many Cluster redirections. Last error: MOVED 1 a:1',
    'is switching to another master',
    false,
  ],
  ['ERR This instance has cluster support disabled', 'is not a cluster; use redis://', true],
  ['LOADING Redis is loading the dataset in memory', 'is loading its data', false],
  ['CLUSTERDOWN The cluster is down', 'is switching to another master', false],
  ['MISCONF Redis is configured to save RDB snapshots', 'cannot save them', false],
  ["OOM command not allowed when used memory > 'maxmemory'.", 'is out of memory', false],
  ['ERR DB index is out of range', 'does not have that database', true],
  ['WAIT: 0 of 1 replicas', 'has too few replicas in sync', false],
  [
    'All sentinels are unreachable. Last error: ERR No such master with that name',
    'is unknown to its sentinels',
    false,
  ],
  ['Command timed out', 'does not answer in time', false],
  ['something else', 'fails: something else', false],
] as const) {
  test(message, () => {
    const problem = explainRedis('Redis at db:1', new Error(message))
    assert.ok(problem.text.startsWith('Redis at db:1 '), problem.text)
    assert.ok(problem.text.includes(words), problem.text)
    assert.equal(problem.isPermanent, isPermanent)
  })
}

test('an error of the system is known by its code', () => {
  const { text } = explainRedis('It', errorWith('connect', 'ECONNREFUSED'))
  assert.equal(text, 'It refuses connections')
})

test('whether it is TLS that is wrong is asked only until it was right once', () => {
  const closed = errorWith('read', 'ECONNRESET')
  const texts = [true, false, undefined].map((tls) => explainRedis('It', closed, tls).text)
  assert.deepEqual(texts, [
    'It has closed the connection; does it speak TLS?',
    'It has closed the connection; does it require TLS (rediss://), or does it have too many clients (maxclients)?',
    'It has closed the connection',
  ])
})

/** What ioredis, or a server, says; and what is made of it. */
const said = [
  ['Unknown RESP type 72 "H". Please report this.', 'db does not speak the Redis protocol'],
  [
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    'db is not connected yet',
  ],
  ['Socket timeout. Expecting data, but none came', 'db does not answer in time'],
] as const

for (const [message, text] of said) {
  test(`"${text}" is said of: ${message}`, () => {
    assert.deepEqual(explainRedis('db', new Error(message)), { text, isPermanent: false })
  })
}
