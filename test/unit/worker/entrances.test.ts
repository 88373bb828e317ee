import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Entrances } from '../../../src/worker/entrances.ts'
import { connected } from '../support/connected.ts'

const endpoint = { host: '127.0.0.1', port: 1 }
const files = { cert: '/a.crt', key: '/a.key', sni: {} }
const tls = { ...files, clientCert: 'none', minVersion: 'TLSv1.2', start: 'accept' } as const

test('an endpoint whose keys are not known any more serves nobody in the clear', async (t) => {
  const entrance = new Entrances([{ settings: { endpoint, tls }, tls: null }]).at(0)
  assert.equal(entrance?.beginsWithTls, true)
  const { connection } = await connected(t, {}, { door: entrance?.door })
  await assert.rejects(connection.startTls(), { code: 'TLS_FAILED', message: /not known any more/ })
})

test('an endpoint without TLS has no door', () => {
  const entrance = new Entrances([{ settings: { endpoint }, tls: null }]).at(0)
  assert.deepEqual([entrance?.door, entrance?.beginsWithTls], [undefined, false])
})
