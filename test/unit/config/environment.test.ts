import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  ambient,
  environmentIn,
  ownEnvironment,
  takeServiceManager,
} from '../../../src/config/environment.ts'
import { setEnvironment } from '../support/environment.ts'

/** What pm2 leaves in the environment of what it starts. */
const pm2 = {
  pm_id: '0',
  name: 'helloserver',
  status: 'launching',
  exec_mode: 'cluster_mode',
  pm_exec_path: '/x',
  node_args: '',
  unique_id: 'x',
  axm_monitor: '{}',
  PM2_HOME: '/x',
  PM2_USAGE: 'CLI',
  NODE_APP_INSTANCE: '0',
}

/** What a parent Node process and a service manager leave for their own child. */
const parents = {
  NODE_CHANNEL_FD: '3',
  NODE_CHANNEL_SERIALIZATION_MODE: 'json',
  NODE_UNIQUE_ID: '1',
  LISTEN_FDS: '1',
  LISTEN_PID: '1',
  LISTEN_FDNAMES: 'x',
  NOTIFY_SOCKET: '/x',
}

test('only variables of our own are picked, and empty ones count as unset', (t) => {
  setEnvironment(t, {
    HELLOSERVER_HOST: '::1',
    HELLOSERVER_PORT: '',
    HELLOSERVER_WORKERS: undefined,
    HELLOSERVER_LOG_LEVEL: undefined,
    HELLOSERVER_RUN_DIR: undefined,
    HELLOSERVER_CONFIG: undefined,
    HELLOSERVER_REDIS_URL: undefined,
    HELLOSERVER_NATIVE: undefined,
    HELLOSERVER_TYPO: '1',
  })
  const { HELLOSERVER_TYPO, ...own } = Object.fromEntries(
    Object.entries(ownEnvironment()).filter(([key]) => key.startsWith('HELLOSERVER_')),
  )
  assert.deepEqual(own, { HELLOSERVER_HOST: '::1' })
  assert.equal(HELLOSERVER_TYPO, '1', 'the primary warns about it')
})

test('relative paths are taken from where the person is, not from where a daemon runs', (t) => {
  setEnvironment(t, {
    HELLOSERVER_CONFIG: 'apps/x.json',
    HELLOSERVER_RUN_DIR: '../run',
    HELLOSERVER_HOST: 'host',
  })
  const { HELLOSERVER_CONFIG, HELLOSERVER_RUN_DIR, HELLOSERVER_HOST } = ownEnvironment()
  assert.deepEqual(
    [HELLOSERVER_CONFIG, HELLOSERVER_RUN_DIR, HELLOSERVER_HOST],
    [join(process.cwd(), 'apps/x.json'), join(process.cwd(), '../run'), 'host'],
  )
})

test('the variables of others count unless they are empty', (t) => {
  setEnvironment(t, { HS_UNIT_A: 'x', HS_UNIT_B: '', HS_UNIT_C: undefined })
  assert.deepEqual(
    ['A', 'B', 'C'].map((last) => ambient(`HS_UNIT_${last}`)),
    ['x', undefined, undefined],
  )
})

test('the variables of a service manager are removed from the environment, so that no child takes them', (t) => {
  setEnvironment(t, { ...parents, LISTEN_FDNAMES: '' })
  assert.deepEqual(takeServiceManager(), { LISTEN_FDS: '1', LISTEN_PID: '1', NOTIFY_SOCKET: '/x' })
  assert.deepEqual(takeServiceManager(), {})
  for (const variable of ['LISTEN_FDS', 'LISTEN_PID', 'LISTEN_FDNAMES', 'NOTIFY_SOCKET']) {
    assert.ok(!(variable in process.env), variable)
  }
})

test('the service is not given what pm2 and others left for their own', () => {
  assert.deepEqual(environmentIn({ ...pm2, ...parents }), {})
})

test('the service is given what the person set, in any case of letters', () => {
  const kept = {
    HS_UNIT_KEPT: '1',
    https_proxy: 'b',
    npm_config_registry: 'e',
    greeting: 'hello',
    databaseUrl: 'x://y',
    port: '1',
    NODE_OPTIONS: '',
    PATH: process.env['PATH'],
  }
  assert.deepEqual(environmentIn({ ...pm2, ...kept }), kept)
})

test('without pm2, the names of its record are as good as others', () => {
  const given = { status: 'mine', name: 'mine too' }
  assert.deepEqual(environmentIn({ ...given, axm_monitor: '{}', PM2_HOME: '/x' }), given)
})

test("pm2's module settings, under the name of the app, are not the app's", () => {
  const given = { ...pm2, helloserver: '{}', SILENT: 'true' }
  assert.deepEqual(environmentIn(given), {})
  assert.deepEqual(environmentIn({ ...pm2, helloserver: 'mine' }), { helloserver: 'mine' })
})
