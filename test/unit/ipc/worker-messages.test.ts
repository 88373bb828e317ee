import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeFromWorker, decodeToWorker } from '../../../src/ipc/worker-messages.ts'

test('every message of a worker is read', () => {
  for (const message of [
    { kind: 'hello', protocol: 1 },
    { kind: 'ready' },
    { kind: 'boot-failed', reason: 'no' },
    { kind: 'heartbeat', rssBytes: 1 },
  ]) {
    assert.deepEqual(decodeFromWorker(message), message)
  }
})

test("an app's own messages are ignored", () => {
  for (const message of [
    undefined,
    null,
    'ready',
    7,
    [],
    {},
    { kind: 'other' },
    { kind: 'toString' },
    { kind: ['ready'] },
    { cmd: 'NODE_CLUSTER' },
    { kind: 'boot-failed' },
    { kind: 'heartbeat' },
    { kind: 'heartbeat', rssBytes: '1' },
    { kind: 'heartbeat', rssBytes: 1.5 },
    { kind: 'heartbeat', rssBytes: Number.NaN },
  ]) {
    assert.equal(decodeFromWorker(message), undefined, JSON.stringify(message))
  }
})

test('only the known fields of a message are passed on', () => {
  assert.deepEqual(decodeFromWorker({ kind: 'ready', pid: 1 }), { kind: 'ready' })
})

test('a reason that is no text, and may not even become one, does not end the primary', () => {
  const message: unknown = JSON.parse('{"kind":"boot-failed","reason":{"toString":1,"valueOf":1}}')
  assert.equal(decodeFromWorker(message), undefined)
})

test('anything at all is either a known message or none', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (message) => {
      const decoded = decodeFromWorker(message)
      if (decoded === undefined) return
      assert.ok(['hello', 'ready', 'leaving', 'boot-failed', 'heartbeat'].includes(decoded.kind))
    }),
  )
})

test('a worker reads what its primary sends, and nothing else', () => {
  for (const kind of ['boot', 'retire', 'terminate', 'log-level']) {
    assert.deepEqual(decodeToWorker({ kind }), { kind })
  }
  for (const message of [undefined, null, 7, 'retire', { kind: 'hello' }, {}]) {
    assert.equal(decodeToWorker(message), undefined)
  }
})
