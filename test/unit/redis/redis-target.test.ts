import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { describeTarget, parseRedisUrl } from '../../../src/redis/redis-target.ts'
import { anyCharacter } from '../support/any-character.ts'

const parse = (url: string) => parseRedisUrl(url, 'The URL')
const open = { username: undefined, password: undefined, tls: false }

test('one server', () => {
  const single = { ...open, kind: 'single', port: 6379, db: 0 }
  assert.deepEqual(parse('redis://db'), { ...single, host: 'db' })
  assert.deepEqual(parse('redis://db:1/2'), { ...single, host: 'db', port: 1, db: 2 })
  assert.deepEqual(parse('redis://[::1]:7/'), { ...single, host: '::1', port: 7 })
  assert.deepEqual(parse('rediss://me:pass@db'), {
    ...single,
    host: 'db',
    username: 'me',
    password: 'pass',
    tls: true,
  })
})

test('sentinels', () => {
  assert.deepEqual(parse('redis+sentinel://:p@a,b:1/group/3?sentinelPassword=s%26'), {
    ...open,
    kind: 'sentinel',
    password: 'p',
    sentinels: [
      { host: 'a', port: 26_379 },
      { host: 'b', port: 1 },
    ],
    group: 'group',
    db: 3,
    sentinelPassword: 's&',
  })
})

test('a cluster', () => {
  const nodes = [
    { host: 'a', port: 6379 },
    { host: 'b', port: 7000 },
  ]
  assert.deepEqual(parse('redis+cluster://a,b:7000'), { ...open, kind: 'cluster', nodes })
})

for (const [url, problem] of [
  ['', /is not a Redis URL/],
  ['redis:/db', /is not a Redis URL/],
  ['redis+other://db', /is not a Redis URL/],
  ['redis://', /an invalid host/],
  ['redis://a,b', /names more than one host/],
  ['redis://db:70000', /a port outside 1 to 65535/],
  ['redis://db/x', /database is not a number/],
  ['redis://db/1/2', /path has too many parts/],
  ['redis://db?x=1', /an unknown parameter/],
  ['redis://db?sentinelPassword=hush', /an unknown parameter/],
  ['redis+sentinel://a/group/1/2', /has too many parts/],
] as const) {
  test(`refuses "${url}"`, () => {
    assert.throws(() => parse(url), { code: 'BAD_CONFIG', message: problem })
  })
}

const secret = fc.string({ unit: anyCharacter, minLength: 1, maxLength: 20 })

test('any password comes through when it is encoded', () => {
  fc.assert(
    fc.property(secret, secret, (username, password) => {
      const url = `redis://${encodeURIComponent(username)}:${encodeURIComponent(password)}@db:1/2`
      const target = parse(url)
      assert.deepEqual([target.username, target.password], [username, password])
      assert.equal(describeTarget(target), 'Redis at db:1')
    }),
  )
})

test('whatever is wrong with a URL, its password is not in the message', () => {
  const mistakes = ['@', '@h:99999', '@h/x', '@a,b', '@h?y=1', '@h/1/2', '@h:x', '']
  const scheme = fc.constantFrom('redis', 'rediss', 'redis+sentinel', 'redis+cluster', 'http')
  const raw = fc.constantFrom('', '/', '?', '@', ':', '%', ',', '12345')
  fc.assert(
    fc.property(scheme, raw, fc.constantFrom(...mistakes), (form, odd, mistake) => {
      const passwords = [`Hush${odd}4711`, `${odd}4711`]
      for (const password of passwords) {
        try {
          parse(`${form}://user:${password}${mistake}`)
        } catch (error) {
          assert.doesNotMatch((error as Error).message, /Hush|4711/)
        }
      }
    }),
  )
})

test('a password may have an @, as it is or encoded; the host begins after the last one', () => {
  for (const written of ['p@ss', 'p%40ss']) {
    const target = parseRedisUrl(`redis://me:${written}@db:1`, 'The URL')
    assert.equal(target.password, 'p@ss')
    assert.equal(describeTarget(target), 'Redis at db:1')
  }
  const url = 'redis+sentinel://:p@ss@one,two/group?sentinelPassword=s@cret'
  const target = parseRedisUrl(url, 'The URL')
  assert.ok(target.kind === 'sentinel')
  assert.deepEqual([target.password, target.sentinelPassword], ['p@ss', 's@cret'])
})
