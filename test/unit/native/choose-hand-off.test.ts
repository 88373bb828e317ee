import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listenSettings } from '../../../src/config/listen.ts'
import { chooseHandOff, refuseForNative } from '../../../src/native/choose-hand-off.ts'

const wanted = { HELLOSERVER_NATIVE: 'on' }
const plain = listenSettings('127.0.0.1:30153', '/')
const proxied = listenSettings({ address: '[::1]:30154', proxyProtocol: true }, '/')

test('an endpoint with PROXY headers or TLS takes the portable way, and the reason names it', () => {
  const { native, reason } = chooseHandOff(wanted, [plain, proxied])
  assert.equal(native, undefined)
  assert.equal(reason, '[::1]:30154 has proxyProtocol, which the native hand-off lacks')
})

test('a reload of a native service refuses such an endpoint by name, and no other', () => {
  refuseForNative([plain])
  assert.throws(() => refuseForNative([proxied]), {
    code: 'RELOAD_FAILED',
    message: /^\[::1\]:30154 has proxyProtocol, .*helloserver upgrade/,
  })
})
