import assert from 'node:assert/strict'
import { test } from 'node:test'
import { completedBy, environmentDigest } from '../../../src/config/change-of-environment.ts'

test("the app's variables make another environment; helloserver's and a shell's do not", () => {
  const digest = environmentDigest({ A: '1', b: '2' })
  assert.equal(environmentDigest({ b: '2', A: '1' }), digest)
  for (const same of [{ HELLOSERVER_PORT: '1' }, { SSH_TTY: '/x' }, { npm_config_x: '1' }]) {
    assert.equal(environmentDigest({ A: '1', b: '2', ...same }), digest)
  }
  for (const other of [{ A: '2', b: '2' }, { A: '1' }, { A: '1', b: '2', NODE_OPTIONS: '' }]) {
    assert.notEqual(environmentDigest(other), digest)
  }
})

test("an environment of helloserver's variables alone leaves the others as they are", () => {
  const running = { HELLOSERVER_PORT: '1', HELLOSERVER_HOST: 'x', A: '1' }
  assert.deepEqual(completedBy(running, { HELLOSERVER_PORT: '2' }), {
    HELLOSERVER_PORT: '2',
    A: '1',
  })
  assert.deepEqual(completedBy(running, { B: '1' }), { B: '1' })
})
