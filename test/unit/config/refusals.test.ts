import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../../src/config/load.ts'
import { configFile, load } from '../support/config-file.ts'

const timerRange = 'an integer from 1 to 2147483647'
const httpAllowed = 'false, true, a port from 1 to 65535, or "address:port"'
const workersAllowed = 'a number from 1 to 1024, or "auto"'

/** Settings, and how the message names key, value and what is allowed. */
const refused: readonly (readonly [settings: object, problem: string])[] = [
  [{ host: '' }, 'host is ""; it must be an address or host name, without a port'],
  [{ host: 7 }, 'host is 7; it must be an address or host name, without a port'],
  [{ host: '[web1]' }, 'host is "[web1]"; it must be an address or host name, without a port'],
  [
    { host: '0.0.0.0:80' },
    'host is "0.0.0.0:80"; it must be an address or host name, without a port',
  ],
  [{ port: -1 }, 'port is -1; it must be an integer from 0 to 65535'],
  [{ port: 65_536 }, 'port is 65536; it must be an integer from 0 to 65535'],
  [{ port: 80.5 }, 'port is 80.5; it must be an integer from 0 to 65535'],
  [{ port: '80' }, 'port is "80"; it must be an integer from 0 to 65535'],
  [{ port: null }, 'port is null; it must be an integer from 0 to 65535'],
  [{ workers: 0 }, `workers is 0; it must be ${workersAllowed}`],
  [{ workers: 1_025 }, `workers is 1025; it must be ${workersAllowed}`],
  [{ workers: 'many' }, `workers is "many"; it must be ${workersAllowed}`],
  [
    { logLevel: 'loud' },
    'logLevel is "loud"; it must be one of trace, debug, info, warn, error, fatal, silent',
  ],
  [{ queue: 5 }, 'queue is 5; it must be an object'],
  [{ queue: null }, 'queue is null; it must be an object'],
  [{ queue: [] }, 'queue is []; it must be an object'],
  [{ queue: { max: -1 } }, 'queue.max is -1; it must be an integer from 0 to 1000000'],
  [{ queue: { maxWaitMs: 0 } }, `queue.maxWaitMs is 0; it must be ${timerRange}`],
  [
    { queue: { maxPerClient: true } },
    'queue.maxPerClient is true; it must be an integer from 0 to',
  ],
  [
    { connection: { maxLineBytes: 1 } },
    'connection.maxLineBytes is 1; it must be an integer from 2',
  ],
  [{ connection: { readTimeoutMs: 0 } }, `connection.readTimeoutMs is 0; it must be ${timerRange}`],
  [
    { connection: { deadlineMs: 2_147_483_648 } },
    `connection.deadlineMs is 2147483648; it must be ${timerRange}`,
  ],
  [{ connection: { lingerMs: -1 } }, 'connection.lingerMs is -1; it must be an integer from 0 to'],
  [
    { connection: { lineEnding: 'cr' } },
    'connection.lineEnding is "cr"; it must be one of crlf, lf, any',
  ],
  ...[-1, 999, 32_767_001, 1_000.5, true].map((keepAliveMs): [object, string] => [
    { connection: { keepAliveMs } },
    `connection.keepAliveMs is ${keepAliveMs}; it must be 0, or an integer from 1000 to 32767000`,
  ]),
  [{ connection: { noDelay: 1 } }, 'connection.noDelay is 1; it must be true or false'],
  [{ drain: { timeoutMs: '30s' } }, 'drain.timeoutMs is "30s"; it must be an integer from 0 to'],
  [{ reload: { readyTimeoutMs: 0 } }, `reload.readyTimeoutMs is 0; it must be ${timerRange}`],
  [{ watchdog: { heartbeatMs: 9 } }, 'watchdog.heartbeatMs is 9; it must be an integer from 10 to'],
  [{ watchdog: { hungAfterMs: 19 } }, 'watchdog.hungAfterMs is 19; it must be an integer from 20'],
  [
    { watchdog: { heartbeatMs: 1_000, hungAfterMs: 1_999 } },
    'watchdog.hungAfterMs is 1999; it must be at least twice watchdog.heartbeatMs',
  ],
  [{ admin: { http: 0 } }, `admin.http is 0; it must be ${httpAllowed}`],
  [{ admin: { http: 65_536 } }, `admin.http is 65536; it must be ${httpAllowed}`],
  [{ admin: { http: 'web' } }, `admin.http is "web"; it must be ${httpAllowed}`],
  [{ admin: { http: '::1:80' } }, `admin.http is "::1:80"; it must be ${httpAllowed}`],
  [{ admin: { http: '[x]:80' } }, `admin.http is "[x]:80"; it must be ${httpAllowed}`],
  [{ admin: { http: 'a:65536' } }, `admin.http is "a:65536"; it must be ${httpAllowed}`],
  [{ admin: { hosts: 'a' } }, 'admin.hosts is "a"; it must be a list of host names'],
  [{ admin: { hosts: ['a:1'] } }, 'admin.hosts.0 is "a:1"; it must be a host name without a port'],
  [{ admin: { tokenFile: '' } }, 'admin.tokenFile is ""; it must be a path'],
  [{ app: 'whois' }, 'app is "whois"; it must be an object'],
  [{ app: [] }, 'app is []; it must be an object'],
  [{ prot: 1 }, 'prot is not a known key'],
  [{ queue: { maximum: 1 } }, 'queue.maximum is not a known key'],
  [{ constructor: 1 }, 'constructor is not a known key'],
  [{ queue: { toString: 1 } }, 'queue.toString is not a known key'],
]

for (const [settings, problem] of refused) {
  test(`${JSON.stringify(settings)} is refused by key, value and what is allowed`, (t) => {
    assert.throws(
      () => load(t, settings),
      (error: Error) =>
        'code' in error &&
        error.code === 'BAD_CONFIG' &&
        error.message.startsWith('Bad configuration in ') &&
        error.message.includes(`config.json: ${problem}`),
    )
  })
}

for (const [environment, problem] of [
  [
    { HELLOSERVER_PORT: 'http' },
    'HELLOSERVER_PORT is "http"; it must be an integer from 0 to 65535',
  ],
  [{ HELLOSERVER_PORT: '70000' }, 'HELLOSERVER_PORT is 70000; it must be an integer from 0 to'],
  [{ HELLOSERVER_PORT: '-1' }, 'HELLOSERVER_PORT is "-1"; it must be an integer'],
  [{ HELLOSERVER_PORT: '8e1' }, 'HELLOSERVER_PORT is "8e1"; it must be an integer'],
  [{ HELLOSERVER_PORT: '0x50' }, 'HELLOSERVER_PORT is "0x50"; it must be an integer'],
  [{ HELLOSERVER_PORT: ' 80' }, 'HELLOSERVER_PORT is " 80"; it must be an integer'],
  [{ HELLOSERVER_WORKERS: '0' }, `HELLOSERVER_WORKERS is 0; it must be ${workersAllowed}`],
  [{ HELLOSERVER_WORKERS: 'AUTO' }, `HELLOSERVER_WORKERS is "AUTO"; it must be ${workersAllowed}`],
  [{ HELLOSERVER_LOG_LEVEL: 'INFO' }, 'HELLOSERVER_LOG_LEVEL is "INFO"; it must be one of trace,'],
] as const) {
  test(`${JSON.stringify(environment)} is refused by the variable's name`, (t) => {
    assert.throws(
      () => load(t, {}, environment),
      (error: Error) => error.message.includes(`config.json: ${problem}`),
    )
  })
}

test('a value that breaks two rules is reported once', (t) => {
  assert.throws(
    () => load(t, { port: 1e99 }),
    /config\.json: port is 1e\+99; it must be an integer from 0 to 65535$/,
  )
})

test('all that is wrong is told at once', (t) => {
  assert.throws(
    () => load(t, { port: -1, queue: { max: -1 }, tpyo: 1 }),
    /port is -1; .*; queue\.max is -1; .*; tpyo is not a known key/,
  )
})

test('keys with a meaning of their own in JavaScript are unknown keys', (t) => {
  const path = configFile(t, '{"__proto__": {"port": 1}}')
  assert.throws(
    () => loadConfig('test', { HELLOSERVER_CONFIG: path }),
    /config\.json: __proto__ is not a known key/,
  )
})

test('an app may call its own settings what it wants, and no prototype is touched', (t) => {
  const path = configFile(t, '{"app": {"constructor": 1, "__proto__": {"polluted": true}}}')
  const { app } = loadConfig('test', { HELLOSERVER_CONFIG: path })
  assert.equal(app['constructor'], 1)
  assert.equal(app['polluted'], undefined)
  assert.equal(Object.getPrototypeOf(app), Object.prototype)
})
