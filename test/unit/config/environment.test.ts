import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  ambient,
  cleanEnvironment,
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
    HELLOSERVER_TYPO: '1',
  })
  assert.deepEqual(ownEnvironment(), { HELLOSERVER_HOST: '::1' })
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

test('a child is not given what pm2 and others left for their own', (t) => {
  setEnvironment(t, { ...pm2, ...parents })
  const clean = cleanEnvironment({})
  for (const key of Object.keys({ ...pm2, ...parents })) assert.ok(!(key in clean), key)
})

test('a child is given what the person set', (t) => {
  const kept = {
    HS_UNIT_KEPT: '1',
    http_proxy: 'a',
    https_proxy: 'b',
    no_proxy: 'c',
    all_proxy: 'd',
    npm_config_registry: 'e',
    NODE_OPTIONS: '',
    LANG: 'C.UTF-8',
    PATH: process.env['PATH'],
  }
  setEnvironment(t, { ...pm2, ...kept })
  const clean = cleanEnvironment({})
  for (const [key, value] of Object.entries(kept)) assert.equal(clean[key], value, key)
})

test('without pm2, names in lower case are as good as others', (t) => {
  setEnvironment(t, { pm_id: undefined, status: 'mine', name: 'mine too', axm_monitor: '{}' })
  const clean = cleanEnvironment({})
  assert.ok(!('axm_monitor' in clean), "this one is pm2's, whoever passed it on")
  assert.deepEqual([clean['status'], clean['name']], ['mine', 'mine too'])
})

test('variables of our own are those that are handed over, and no others', (t) => {
  setEnvironment(t, { HELLOSERVER_PORT: '1', HELLOSERVER_HOST: 'old' })
  const clean = cleanEnvironment({ HELLOSERVER_PORT: '2' })
  assert.equal(clean['HELLOSERVER_PORT'], '2')
  assert.ok(!('HELLOSERVER_HOST' in clean))
})
