import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explainRedis } from '../../../src/redis/problem.ts'

/** What ioredis, or a server, says; and what is made of it. */
const said = [
  ['Unknown RESP type 72 "H". Please report this.', 'db does not answer as Redis does'],
  [
    'Reached the max retries per request limit (which is 0). Refer to "maxRetriesPerRequest" option for details.',
    'db is not connected yet',
  ],
  ['Socket timeout. Expecting data, but none came', 'db does not answer in time'],
] as const

for (const [message, text] of said) {
  test(`"${text}" is said of: ${message}`, () => {
    assert.deepEqual(explainRedis('db', new Error(message)), { text, isPermanent: false })
  })
}
