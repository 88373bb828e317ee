import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refuseRestartOnly } from '../../../src/config/restart-only.ts'

const running = { name: 'echo', runDir: '/run/a' }

test('the same run directory, however it is written, is no change', () => {
  refuseRestartOnly(running, { HELLOSERVER_RUN_DIR: '/run/a' })
  refuseRestartOnly(running, { HELLOSERVER_RUN_DIR: '/run/b/../a/', HELLOSERVER_PORT: '1' })
})

test('another one is refused by name', () => {
  assert.throws(() => refuseRestartOnly(running, { HELLOSERVER_RUN_DIR: '/run/b' }), {
    code: 'RELOAD_FAILED',
    message:
      'HELLOSERVER_RUN_DIR cannot change from /run/a to /run/b in a reload; use "helloserver restart" for that',
  })
})
