import assert from 'node:assert/strict'
import { isIPv6 } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { endpointText, isSameEndpoint, parseEndpoint, parseHost } from '../../src/endpoint.ts'

const ends = [
  [{ host: '127.0.0.1', port: 30_153 }, '127.0.0.1:30153'],
  [{ host: '::', port: 1 }, '[::]:1'],
  [{ host: 'fe80::1%eth0', port: 65_535 }, '[fe80::1%eth0]:65535'],
  [{ host: '::ffff:192.0.2.1', port: 80 }, '[::ffff:192.0.2.1]:80'],
  [{ host: 'web-1.example', port: 0 }, 'web-1.example:0'],
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
