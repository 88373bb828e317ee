import assert from 'node:assert/strict'
import { test } from 'node:test'
import { overridesIn } from '../../../src/config/overrides.ts'

test('an override by a variable is reported with both values', () => {
  const raw = { port: 30_153, host: '127.0.0.1', workers: 2 }
  const environment = {
    HELLOSERVER_PORT: '4000',
    HELLOSERVER_HOST: '127.0.0.1',
    HELLOSERVER_WORKERS: '2',
    HELLOSERVER_LOG_LEVEL: 'debug',
    HELLOSERVER_REDIS_URL: 'redis://:secret@db',
  }
  assert.deepEqual(overridesIn(raw, environment, '/a/config.json'), [
    'HELLOSERVER_PORT=4000 overrides port 30153 of /a/config.json',
    'HELLOSERVER_LOG_LEVEL=debug sets logLevel, which /a/config.json leaves out',
  ])
  assert.deepEqual(overridesIn(raw, {}, '/a/config.json'), [])
})
