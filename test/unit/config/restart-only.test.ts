import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadConfig } from '../../../src/config/load.ts'
import { refuseRestartOnly, restartOnly } from '../../../src/config/restart-only.ts'

const config = loadConfig('helloserver', {})
const running = restartOnly('echo', { HELLOSERVER_RUN_DIR: '/run/a' }, config)
const refuse = (environment: Record<string, string>) =>
  refuseRestartOnly(running, restartOnly('echo', environment, config))

test('the same run directory, however it is written, is no change', () => {
  refuse({ HELLOSERVER_RUN_DIR: '/run/a' })
  refuse({ HELLOSERVER_RUN_DIR: '/run/b/../a/', HELLOSERVER_PORT: '1' })
})

test('another one is refused by name', () => {
  assert.throws(() => refuse({ HELLOSERVER_RUN_DIR: '/run/b' }), {
    code: 'RELOAD_FAILED',
    message:
      'HELLOSERVER_RUN_DIR cannot change from /run/a to /run/b in a reload or an upgrade; use "helloserver restart", or "pm2 restart" under pm2',
  })
})

test('so is another Redis, without its password being told', () => {
  const url = 'redis://:secret@db:6379'
  assert.throws(
    () => refuse({ HELLOSERVER_RUN_DIR: '/run/a', HELLOSERVER_REDIS_URL: url }),
    (error: Error) => {
      assert.match(error.message, /^HELLOSERVER_REDIS_URL cannot change from unset to another URL/)
      assert.doesNotMatch(error.message, /secret/)
      return true
    },
  )
})

test('so is another lease', () => {
  const other = { ...config, lease: { ...config.lease, ttlMs: 5_000 } }
  assert.throws(
    () => refuseRestartOnly(running, restartOnly('echo', { HELLOSERVER_RUN_DIR: '/run/a' }, other)),
    { message: /^lease\.ttlMs cannot change from 3000 to 5000 in a reload/ },
  )
})

test('the settings that the schema registers are those that other hosts know the service by', () => {
  const { HELLOSERVER_RUN_DIR: _, HELLOSERVER_REDIS_URL: __, ...registered } = running
  assert.deepEqual(registered, {
    user: 'its default',
    group: 'its default',
    'lease.mode': 'its default',
    'lease.slots': '1',
    'lease.ttlMs': '3000',
    'lease.replicas': '0',
    'lease.host': 'its default',
    'fleet.maxDown': '1',
  })
})
