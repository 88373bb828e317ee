import assert from 'node:assert/strict'
import { test } from 'node:test'
import { variables } from '../../../src/config/environment.ts'
import { unknownVariables } from '../../../src/config/unknown-variables.ts'

for (const [name, meant] of [
  ['HELLOSERVER_PROT', 'HELLOSERVER_PORT'],
  ['HELLOSERVER_WORKER', 'HELLOSERVER_WORKERS'],
  ['HELLOSERVER_LOGLEVEL', 'HELLOSERVER_LOG_LEVEL'],
  ['HELLOSERVER_RUNDIR', 'HELLOSERVER_RUN_DIR'],
  ['HELLOSERVER_REDIS', 'HELLOSERVER_REDIS_URL'],
  ['helloserver_port', 'HELLOSERVER_PORT'],
] as const) {
  test(`${name} is told from ${meant}`, () => {
    assert.deepEqual(unknownVariables({ [name]: '1' }), [
      `${name} is not a variable of helloserver; did you mean ${meant}?`,
    ])
  })
}

test('those that are known, empty or for the tests are no strangers, nor is anything else', () => {
  const known = Object.fromEntries(Object.values(variables).map((name) => [name, 'x']))
  const others = { HELLOSERVER_TEST_SEED: '1', HELLOSERVER_PROT: '', PORT: '1', HELLO: '2' }
  assert.deepEqual(unknownVariables({ ...known, ...others }), [])
})
