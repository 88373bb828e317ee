import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Failures } from '../../../src/connections/failures.ts'
import { keptLog } from '../support/kept-log.ts'

function failures(t: TestContext) {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const { log, lines } = keptLog()
  return { failures: new Failures(log), lines }
}

test('the first of a reason is said at once, the others in one line a minute', (t) => {
  const { failures: made, lines } = failures(t)
  for (let at = 0; at < 38; at += 1) made.note('read-timeout', () => `10.0.0.7:${at}`)
  made.note('handler-error', () => '10.0.0.8:1')
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    [
      'A connection failed: read-timeout; others like it are summed up once a minute',
      'A connection failed: handler-error; others like it are summed up once a minute',
    ],
  )
  t.mock.timers.tick(60_000)
  assert.equal(
    lines.at(-1)?.msg,
    '37 connections failed in the last minute: read-timeout (one was from 10.0.0.7:1)',
  )
  assert.equal(lines.length, 3)
})

test('as long as it goes on there is one line a minute; after a quiet one it begins anew', (t) => {
  const { failures: made, lines } = failures(t)
  const note = () => made.note('expired', () => '10.0.0.7:1')
  note()
  for (const minute of [1, 2, 3]) {
    for (let at = 0; at < 1_000; at += 1) note()
    t.mock.timers.tick(60_000)
    assert.equal(lines.length, 1 + minute)
  }
  t.mock.timers.tick(60_000)
  note()
  assert.match(String(lines.at(-1)?.msg), /^A connection failed: expired/)
  assert.equal(lines.length, 5)
})

test('a client is asked for once a line', (t) => {
  const { failures: made } = failures(t)
  let asked = 0
  for (let at = 0; at < 100; at += 1) made.note('client-reset', () => String((asked += 1)))
  assert.equal(asked, 2)
})
