import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  areExclusive,
  endpointOf,
  endpointText,
  isBoundAt,
  isSameEndpoint,
  parseEndpoint,
  parseHost,
} from '../../src/endpoint.ts'

const ends = [
  [{ host: '127.0.0.1', port: 30_153 }, '127.0.0.1:30153'],
  [{ host: '::', port: 1 }, '[::]:1'],
  [{ host: 'fe80::1%eth0', port: 65_535 }, '[fe80::1%eth0]:65535'],
  [{ host: '::ffff:192.0.2.1', port: 80 }, '[::ffff:192.0.2.1]:80'],
  [{ host: 'web-1.example', port: 0 }, 'web-1.example:0'],
  [{ path: '/run/x.sock' }, 'unix:/run/x.sock'],
  [{ path: '@name' }, 'unix:@name'],
] as const

for (const [end, text] of ends) {
  test(`${text} is written and read alike`, () => {
    assert.equal(endpointText(end), text)
    assert.deepEqual(parseEndpoint(text), end)
  })
}

for (const text of [
  '',
  ':1',
  '::1:80',
  '[::1]',
  '[web]:80',
  '[1.2.3.4]:80',
  '1.2.3.4',
  'a:65536',
  'a b:1',
  'unix:',
  'unix:x.sock',
  'unix:@',
  'unix:/a\0b',
  `unix:/${'a'.repeat(107)}`,
]) {
  test(`"${text}" is no endpoint`, () => assert.equal(parseEndpoint(text), undefined))
}

for (const [name, isOne] of [
  ['web-1.example', true],
  ['web_1.example.', true],
  ['0', true],
  ['127.1', true],
  ['bücher.example', true],
  ['256.1.1.1', false],
  ['10.0.0.1.2', false],
  ['a..b', false],
  ['.a', false],
  ['-a.b', false],
  ['a-.b', false],
  ['a b', false],
  ['a%20b', false],
  ['user@a', false],
  [`${'a'.repeat(64)}.b`, false],
  [Array(64).fill('abc').join('.'), false],
] as const) {
  test(`the name "${name}" ${isOne ? 'may' : 'can never'} resolve`, () => {
    assert.equal(parseHost(name), isOne ? name : undefined)
  })
}

test('every IPv6 address is taken with and without brackets, as Node.js knows them', () => {
  fc.assert(
    fc.property(fc.ipV6(), (host) => {
      assert.ok(isIPv6(host))
      assert.equal(parseHost(host), host)
      assert.equal(parseHost(`[${host}]`), host)
      assert.deepEqual(parseEndpoint(endpointText({ host, port: 1 })), { host, port: 1 })
    }),
  )
})

test('two endpoints are the same when host and port are', () => {
  const one = { host: '::1', port: 1 }
  assert.equal(isSameEndpoint(one, { ...one }), true)
  assert.equal(isSameEndpoint(one, { ...one, port: 2 }), false)
  assert.equal(isSameEndpoint(one, { ...one, host: '::' }), false)
})

test('two Unix sockets are the same when their paths are, and no TCP endpoint is one', () => {
  assert.equal(isSameEndpoint({ path: '@a' }, { path: '@a' }), true)
  assert.equal(isSameEndpoint({ path: '@a' }, { path: '/a' }), false)
  assert.equal(isSameEndpoint({ path: '/a' }, { host: 'a', port: 1 }), false)
})

test('a bound socket is at its endpoint, and at the port that it got', () => {
  const bound = { host: '127.0.0.1', port: 0, boundPort: 4_000 }
  for (const [host, port, isThere] of [
    ['127.0.0.1', 0, true],
    ['127.0.0.1', 4_000, true],
    ['127.0.0.1', 4_001, false],
    ['0.0.0.0', 4_000, false],
  ] as const) {
    assert.equal(isBoundAt(bound, { host, port }), isThere)
  }
  assert.equal(isBoundAt(bound, { path: '/a' }), false)
  assert.equal(isBoundAt({ path: '/a' }, { path: '/a' }), true)
  assert.equal(isBoundAt({ path: '/a' }, bound), false)
})

test('a port for every address excludes the same port for one address', () => {
  const one = { host: '127.0.0.1', port: 1 }
  assert.equal(areExclusive(one, { host: '0.0.0.0', port: 1 }), true)
  assert.equal(areExclusive({ host: '::', port: 1 }, one), true)
  assert.equal(areExclusive(one, { host: '0.0.0.0', port: 2 }), false)
  assert.equal(areExclusive(one, { host: '127.0.0.2', port: 1 }), false)
  assert.equal(areExclusive({ path: '/a' }, { host: '0.0.0.0', port: 1 }), false)
  assert.equal(areExclusive({ path: '/a' }, { path: '/a' }), true)
})

test("a socket's address, as Node.js gives it, becomes an endpoint", () => {
  assert.deepEqual(endpointOf({ address: '::1', port: 1 }), { host: '::1', port: 1 })
  assert.deepEqual(endpointOf('/run/x.sock'), { path: '/run/x.sock' })
  assert.deepEqual(endpointOf('\0name'), { path: '@name' })
})
