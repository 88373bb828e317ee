import assert from 'node:assert/strict'
import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Environment } from '../../../src/config/environment.ts'
import { overridesOf } from '../../../src/config/load.ts'
import { messageOf } from '../../../src/errors.ts'
import { load } from '../support/config-file.ts'
import { tempFolder } from '../support/temp-folder.ts'

/** Why settings are refused, without the name of the file. */
function problemOf(t: TestContext, settings: object, environment: Environment = {}): string {
  try {
    load(t, settings, environment)
  } catch (error) {
    return messageOf(error).replace(/^Bad configuration in \S+: /, '')
  }
  return 'none'
}

const tcp = (host: string, port: number) => ({ endpoint: { host, port } })

test('a list has texts and objects, each with the settings of its kind', (t) => {
  const { listen } = load(t, {
    listen: [
      '0.0.0.0:1',
      '[::1]:2',
      { address: '[::]:3', ipv6Only: true },
      'unix:/run/x.sock',
      { address: 'unix:/run/y.sock', mode: '0600', owner: 'www-data:adm' },
      'unix:@abstract',
    ],
  })
  assert.deepEqual(listen, [
    tcp('0.0.0.0', 1),
    tcp('::1', 2),
    { endpoint: { host: '::', port: 3, ipv6Only: true } },
    { endpoint: { path: '/run/x.sock' }, file: { mode: 0o660 } },
    { endpoint: { path: '/run/y.sock' }, file: { mode: 0o600, owner: 'www-data:adm' } },
    { endpoint: { path: '@abstract' } },
  ])
})

test('the variable takes the place of the list and of its short form', (t) => {
  const environment = { HELLOSERVER_LISTEN: '127.0.0.1:1, unix:/run/x.sock' }
  for (const file of [{}, { host: '::', port: 9 }, { listen: ['127.0.0.1:9'] }]) {
    const config = load(t, file, environment)
    assert.deepEqual(config.listen[0], tcp('127.0.0.1', 1))
    assert.deepEqual(config.listen[1]?.endpoint, { path: '/run/x.sock' })
    assert.equal(config.listen.length, 2)
  }
})

test('what the variable overrides is told', (t) => {
  const environment = { HELLOSERVER_LISTEN: '127.0.0.1:1' }
  const told = (file: object) => {
    const config = load(t, file, environment)
    return overridesOf(config, environment).map((one) => one.replace(config.path, 'FILE'))
  }
  assert.deepEqual(told({ listen: ['127.0.0.1:1'] }), [])
  assert.deepEqual(told({ port: 9 }), [
    'HELLOSERVER_LISTEN=127.0.0.1:1 overrides host and port of FILE',
  ])
  assert.deepEqual(told({ listen: ['[::]:1'] }), [
    'HELLOSERVER_LISTEN=127.0.0.1:1 overrides listen ["[::]:1"] of FILE',
  ])
})

const pair = { cert: 'c', key: 'k' }

const addresses =
  '"address:port", "[IPv6 address]:port", "unix:/path" (up to 99 bytes) or "unix:@name"'

for (const [listen, problem] of [
  [[], 'listen is []; it must be a list of 1 to 64 endpoints'],
  ['a:1', 'listen is "a:1"; it must be a list of 1 to 64 endpoints'],
  [['::1:2'], `listen.0 is "::1:2"; it must be ${addresses}, or an object with such an "address"`],
  [[7], `listen.0 is 7; it must be ${addresses}, or an object with such an "address"`],
  [[{}], `listen.0.address is missing; it must be ${addresses}`],
  [[{ address: 'x' }], `listen.0.address is "x"; it must be ${addresses}`],
  [[{ address: 'a:1', tsl: {} }], 'listen.0.tsl is not a known key'],
  [
    [{ address: 'unix:/x', mode: '888' }],
    'listen.0.mode is "888"; it must be a mode in octal digits, such as "0660"',
  ],
  [
    [{ address: 'unix:/x', owner: ':' }],
    'listen.0.owner is ":"; it must be "user", "user:group" or ":group", each a name or a number',
  ],
  [
    [{ address: 'a:1', mode: '0600' }],
    'listen.0.mode is set for "a:1"; it must be left out except for "unix:/path"',
  ],
  [
    [{ address: 'unix:@a', owner: 'x' }],
    'listen.0.owner is set for "unix:@a"; it must be left out except for "unix:/path"',
  ],
  [
    [{ address: '0.0.0.0:1', ipv6Only: true }],
    'listen.0.ipv6Only is set for "0.0.0.0:1"; it must be left out except for "[::]:port"',
  ],
  [[{ address: 'a:1', ipv6Only: 'yes' }], 'listen.0.ipv6Only is "yes"; it must be true or false'],
  [['a:1', 'b:1', 'a:1'], 'listen.0 and listen.2 are both "a:1"; name it once'],
  [['[::1]:1', '[0:0:0:0:0:0:0:1]:1'], 'listen.0 and listen.1 are both "[::1]:1"; name it once'],
  [['unix:/a/b', 'unix:/a//c/../b'], 'listen.0 and listen.1 are both "unix:/a/b"; name it once'],
  [
    ['0.0.0.0:1', '[0::0]:1'],
    'listen.0 is "0.0.0.0:1" and listen.1 is "[::]:1", which the system does not allow together; give one of them another port',
  ],
  [
    ['unix:/a/'],
    `listen.0 is "unix:/a/"; it must be ${addresses}, or an object with such an "address"`,
  ],
  [
    ['[::]:1', '127.0.0.1:1'],
    'listen.0 is "[::]:1" and listen.1 is "127.0.0.1:1", which the system does not allow together; give one of them another port',
  ],
  [[{ address: 'a:1', tls: { cert: 'c', key: 7 } }], 'listen.0.tls.key is 7; it must be a path'],
  [
    [{ address: 'a:1', tls: { cert: 'c', key: 'k', clientCert: 'maybe' } }],
    'listen.0.tls.clientCert is "maybe"; it must be one of none, request, require',
  ],
  [
    [{ address: 'a:1', proxyProtocol: 'v2' }],
    'listen.0.proxyProtocol is "v2"; it must be true, false, or an object with a list "trusted"',
  ],
  [
    [{ address: 'a:1', tls: { cert: 'c', key: 'k', clientCert: 'require' } }],
    'listen.0.tls.ca is missing; it must be a path, since clientCert asks clients for a certificate',
  ],
  [
    [{ address: 'a:1', proxyProtocol: { trusted: ['10.0.0.0/33'] } }],
    'listen.0.proxyProtocol.trusted.0 is "10.0.0.0/33"; it must be an address or a network, such as "192.0.2.7" or "2001:db8::/32"',
  ],
  [
    [{ address: 'a:1', proxyProtocol: { trusted: [] } }],
    'listen.0.proxyProtocol.trusted is []; it must be a list of at least one address or network',
  ],
  [
    [{ address: 'a:1', tls: { cert: 'c', key: 'k', sni: { '*': pair } } }],
    'listen.0.tls.sni.* is {"cert":"c","key":"k"}; it must be an object whose keys are server names, such as "example.org" or "*.example.org"',
  ],
  [
    [{ address: 'a:1', tls: { cert: 'c', key: 'k', sni: { 'A.b': pair, 'a.B': pair } } }],
    'listen.0.tls.sni is {"A.b":{"cert":"c","key":"k"},"a.B":{"cert":"c","key":"k"}}; it must be an object that has each server name once, since upper and lower case are the same',
  ],
] as const) {
  test(`${JSON.stringify(listen)} is refused in a line that names the key`, (t) => {
    assert.equal(problemOf(t, { listen }), problem)
  })
}

test('of a list that is too long, and of many problems, the first few are told', (t) => {
  const many = (count: number) => Array.from({ length: count }, (_, at) => `a:${1 + at}`)
  assert.equal(
    problemOf(t, { listen: many(65) }),
    'listen is ["a:1", "a:2", "a:3" and 62 more]; it must be a list of 1 to 64 endpoints',
  )
  const problem = problemOf(t, { listen: Array(64).fill('a:1') })
  assert.match(problem, /^listen\.0 and listen\.1 are both "a:1"; name it once; .* and 2006 more$/)
  assert.ok(problem.length < 1_000)
})

test("the service's own control socket is no endpoint, by whatever path", (t) => {
  const folder = tempFolder(t)
  symlinkSync(folder, join(folder, 'link'))
  const environment = { HELLOSERVER_RUN_DIR: folder }
  const refused = (path: string, label: string, given: object, more = {}) =>
    assert.throws(() => load(t, given, { ...environment, ...more }), {
      code: 'BAD_CONFIG',
      message: new RegExp(
        `: ${label} is "unix:${path}", the service's own control socket; use another path$`,
      ),
    })
  const [own, linked] = [join(folder, 'test.sock'), join(folder, 'link/test.sock')]
  refused(own, 'listen\\.1', { listen: ['a:1', `unix:${own}`] })
  refused(linked, 'listen\\.0', { listen: [{ address: `unix:${linked}` }] })
  refused(own, 'HELLOSERVER_LISTEN, part 2,', {}, { HELLOSERVER_LISTEN: `a:1,unix:${own}` })
  load(t, { listen: [`unix:${folder}/public.sock`] }, environment)
})

test('a long path is refused: a socket is bound under a longer name first', (t) => {
  assert.equal(problemOf(t, { listen: [`unix:/${'x'.repeat(98)}`] }), 'none')
  assert.match(problemOf(t, { listen: [`unix:/${'x'.repeat(99)}`] }), /up to 99 bytes/)
})

test('all IPv6 addresses alone leave room for all IPv4 addresses', (t) => {
  const listen = ['0.0.0.0:1', { address: '[::]:1', ipv6Only: true }, '[::1]:2', '127.0.0.1:2']
  assert.equal(problemOf(t, { listen }), 'none')
})

test('the list and its short form exclude each other, wherever they come from', (t) => {
  const told = (one: string, other: string, key: string) =>
    `${one} and ${other} are both set; ${key} is the short form, so set only one`
  const listen = ['a:1']
  assert.equal(problemOf(t, { listen, port: 1 }), told('port', 'listen', 'port'))
  assert.equal(
    problemOf(t, { listen }, { HELLOSERVER_HOST: '::' }),
    told('HELLOSERVER_HOST', 'listen', 'host'),
  )
  assert.equal(
    problemOf(t, {}, { HELLOSERVER_LISTEN: 'a:1', HELLOSERVER_PORT: '1' }),
    told('HELLOSERVER_PORT', 'HELLOSERVER_LISTEN', 'port'),
  )
})

test('a bad endpoint in the variable is told by its name', (t) => {
  assert.match(
    problemOf(t, {}, { HELLOSERVER_LISTEN: 'a:1,b' }),
    /^HELLOSERVER_LISTEN, part 2, is "b"; it must be "address:port"/,
  )
})

test('the page cannot have the port of any endpoint', (t) => {
  assert.match(
    problemOf(t, { listen: ['a:1', '127.0.0.1:4711'], admin: { http: 4_711 } }),
    /admin\.http and the service both have port 4711/,
  )
})
