import assert from 'node:assert/strict'
import { test } from 'node:test'
import { syslogLine } from '../../../src/telemetry/syslog-line.ts'
import { keptLog } from '../support/kept-log.ts'

const line = (fields: object) => JSON.stringify({ level: 'info', msg: 'Hello', ...fields })

test('a line has the facility LOCAL0, its severity, its words and its own fields', () => {
  const { log, lines } = keptLog()
  log.warn({ slot: 1 }, 'A worker died')
  assert.equal(
    syslogLine(JSON.stringify(lines[0])),
    '<132>A worker died {"role":"primary","slot":1}\n',
  )
})

test('each level has its severity', () => {
  const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal']
  const priorities = levels.map((level) => /^<(\d+)>/.exec(syslogLine(line({ level })))?.[1])
  assert.deepEqual(priorities, ['135', '135', '134', '132', '131', '130'])
})

test("a worker's line names its process, since the header names the primary's", () => {
  assert.equal(
    syslogLine(line({ role: 'worker', pid: 7 })),
    '<134>Hello {"role":"worker","workerPid":7}\n',
  )
})

test('text that an app logs cannot begin a line of its own', () => {
  assert.equal(
    syslogLine(line({ msg: 'one\n<0>two', text: 'a\nb' })),
    '<134>one <0>two {"text":"a\\nb"}\n',
  )
})

test('a line without words has its fields', () => {
  assert.equal(syslogLine(line({ msg: undefined, size: 3 })), '<134>{"size":3}\n')
})

test("a line that only looks like the service's is sent as it is", () => {
  assert.equal(syslogLine('{"level":"info","half\n'), '<134>{"level":"info","half  {}\n')
})

test('a long line is cut to what syslog takes', () => {
  const bytes = Buffer.byteLength(syslogLine(line({ msg: '𝄞'.repeat(50_000) })))
  assert.ok(bytes < 16_384, `${bytes}`)
})
