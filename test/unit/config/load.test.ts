import assert from 'node:assert/strict'
import { mkdirSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { configDigest, loadConfig } from '../../../src/config/load.ts'
import { configFile, load } from '../support/config-file.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('an empty file has the defaults of the contract', (t) => {
  const path = configFile(t, '{}')
  const {
    path: from,
    directory,
    appModule,
    ...settings
  } = loadConfig('test', {
    HELLOSERVER_CONFIG: path,
  })
  assert.deepEqual(settings, {
    listen: [{ endpoint: { host: '0.0.0.0', port: 30_153 } }],
    workers: availableParallelism(),
    logLevel: 'info',
    log: { access: false, syslog: 'off' },
    access: { allow: [], deny: [], maxPerSecond: 0 },
    queue: { max: 10_000, maxWaitMs: 30_000, maxPerClient: 0 },
    connection: {
      maxLineBytes: 1_024,
      readTimeoutMs: 30_000,
      deadlineMs: 60_000,
      handshakeTimeoutMs: 10_000,
      lingerMs: 2_000,
      lineEnding: 'crlf',
      keepAliveMs: 0,
      noDelay: true,
    },
    drain: { announceMs: 0, timeoutMs: 30_000 },
    reload: { readyTimeoutMs: 15_000, surge: 'all' },
    rescue: { startAfterMs: 1_000, waitMs: 15_000 },
    recycle: { afterConnections: 0, maxAgeMs: 0, maxRssMb: 0 },
    watchdog: { heartbeatMs: 1_000, hungAfterMs: 10_000 },
    fleet: { maxDown: 1, returnMs: 10_000 },
    lease: { slots: 1, ttlMs: 3_000, onLoss: 'finish', replicas: 0 },
    admin: { http: false, hosts: [] },
    app: {},
  })
  assert.deepEqual([from, directory], [path, dirname(path)])
  assert.equal(appModule, join(dirname(path), 'app.js'))
})

test('the settings of the file are kept, and the rest of their section has the defaults', (t) => {
  const config = load(t, { $schema: './x.json', workers: 3, queue: { max: 5 }, app: { a: [1] } })
  assert.equal(config.workers, 3)
  assert.deepEqual(config.queue, { max: 5, maxWaitMs: 30_000, maxPerClient: 0 })
  assert.deepEqual(config.app, { a: [1] })
  assert.ok(!('$schema' in config))
})

test('the environment overrides the file, key by key', (t) => {
  const file = { host: '127.0.0.1', port: 1, workers: 1, logLevel: 'warn' }
  const { listen, workers, logLevel } = load(t, file, {
    HELLOSERVER_HOST: '::1',
    HELLOSERVER_PORT: '2',
    HELLOSERVER_WORKERS: '3',
    HELLOSERVER_LOG_LEVEL: 'debug',
  })
  assert.deepEqual(listen, [{ endpoint: { host: '::1', port: 2 } }])
  assert.deepEqual([workers, logLevel], [3, 'debug'])
  assert.equal(load(t, file, { HELLOSERVER_WORKERS: 'auto' }).workers, availableParallelism())
})

test('a good value in the environment makes up for a bad one in the file', (t) => {
  assert.equal(load(t, { port: 'http' }, { HELLOSERVER_PORT: '80' }).listen[0]?.endpoint.port, 80)
})

test('an IPv6 address may have brackets', (t) => {
  assert.equal(load(t, { host: '[::1]' }).listen[0]?.endpoint.host, '::1')
  assert.equal(load(t, {}, { HELLOSERVER_HOST: '[::]' }).listen[0]?.endpoint.host, '::')
})

test('a host that looks like a number stays a text', (t) => {
  assert.equal(
    load(t, {}, { HELLOSERVER_HOST: '2130706433' }).listen[0]?.endpoint.host,
    '2130706433',
  )
})

test('nothing of a configuration can be changed, however deep', (t) => {
  const config = load(t, { app: { list: [{ a: 1 }] } })
  assert.ok(Object.isFrozen(config) && Object.isFrozen(config.queue))
  const [item] = config.app['list'] as { a: number }[]
  assert.throws(() => {
    if (item !== undefined) item.a = 2
  }, TypeError)
})

test('a digest tells configurations apart by anything that can be set', (t) => {
  const path = configFile(t, '{}')
  const digestWith = (environment: object) =>
    configDigest(loadConfig('test', { HELLOSERVER_CONFIG: path, ...environment }))
  assert.equal(digestWith({}), digestWith({}))
  assert.equal(digestWith({}), digestWith({ HELLOSERVER_PORT: '30153' }))
  assert.notEqual(digestWith({}), digestWith({ HELLOSERVER_PORT: '30154' }))
})

test('a lease that is asked for, but cannot be shared, is refused', (t) => {
  const file = { lease: { mode: 'exclusive' } }
  assert.throws(() => load(t, file), {
    code: 'BAD_CONFIG',
    message: /lease\.mode is "exclusive", which needs Redis; set HELLOSERVER_REDIS_URL/,
  })
  load(t, file, { HELLOSERVER_REDIS_URL: 'redis://h' })
  load(t, { lease: { mode: 'off' } })
})

test('a URL that is none of Redis is refused without its password', (t) => {
  const urls = [
    'http://:secret@h',
    'redis://u:secret@h:0',
    'redis+sentinel://:secret@h',
    // In these what is secret looks like hosts, a path and a parameter.
    'redis://:secret/1@h',
    'redis://u:1/secret@h',
    'redis://u:1?secret@h',
  ]
  for (const url of urls) {
    assert.throws(
      () => load(t, {}, { HELLOSERVER_REDIS_URL: url }),
      (error: Error) => {
        assert.match(error.message, /^HELLOSERVER_REDIS_URL: it .*; it must be redis:\/\//)
        assert.doesNotMatch(error.message, /secret/)
        return true
      },
    )
  }
})

test('a file may begin with a byte order mark', (t) => {
  const HELLOSERVER_CONFIG = configFile(t, '\uFEFF{ "port": 7 }')
  const [only] = loadConfig('test', { HELLOSERVER_CONFIG }).listen
  assert.equal(only?.endpoint.port, 7)
})

test('a file that is missing, no file, no JSON or no object is refused by its path', (t) => {
  const folder = tempFolder(t)
  const missing = join(folder, 'none.json')
  const at = (path: string) => () => loadConfig('test', { HELLOSERVER_CONFIG: path })
  assert.throws(at(missing), {
    code: 'BAD_CONFIG',
    message: `The configuration file ${missing} does not exist; set HELLOSERVER_CONFIG to one that does`,
  })
  mkdirSync(missing)
  assert.throws(at(missing), {
    code: 'BAD_CONFIG',
    message: /^Cannot read the .*none\.json: it is a directory.*EISDIR/,
  })
  for (const content of ['', '{"port": 1', '{port: 1}', "{'port': 1}", '{"port": 1,}']) {
    assert.throws(at(configFile(t, content)), {
      code: 'BAD_CONFIG',
      message: /^Cannot read .*config\.json: /,
    })
  }
  for (const content of ['null', '[]', '"x"', '7']) {
    assert.throws(at(configFile(t, content)), {
      code: 'BAD_CONFIG',
      message: /config\.json holds .*; it must be an object$/,
    })
  }
})

test('a folder without an app is refused', (t) => {
  const path = configFile(t, '{}')
  rmSync(join(dirname(path), 'app.js'))
  assert.throws(() => loadConfig('test', { HELLOSERVER_CONFIG: path }), {
    code: 'BAD_CONFIG',
    message: `The folder ${dirname(path)} has no app.ts, app.js, app.mjs or app.cjs; "main" in its configuration can name another file`,
  })
})

test('the shipped apps are configured well, on different ports', () => {
  const [echo, whois] = ['helloserver', 'whois'].map((name) => loadConfig(name, {}))
  assert.equal(echo?.listen[0]?.endpoint.port, 30_153)
  assert.equal(whois?.listen[0]?.endpoint.port, 4_343)
  assert.match(whois?.appModule ?? '', /\/dist\/apps\/whois\/app\.js$/)
})
