import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hostileValues } from '../support/hostile-values.ts'
import { keptLog } from '../support/kept-log.ts'

test('a line says who wrote it and when, its level by name', () => {
  const { log, lines } = keptLog()
  log.warn({ cause: 'x' }, 'Something')
  const [{ level, time, service, role, pid, cause, msg } = {}] = lines
  assert.deepEqual(
    [level, service, role, pid, cause, msg],
    ['warn', 'test', 'primary', process.pid, 'x', 'Something'],
  )
  assert.equal(new Date(String(time)).toISOString(), time)
})

test('an error is logged with its message, its code and its place', () => {
  const { log, lines } = keptLog()
  log.error({ error: Object.assign(new Error('no'), { code: 'ENO' }) }, 'Failed')
  const error = lines[0]?.['error'] as { message: string; code: string; stack: string }
  assert.deepEqual([error.message, error.code], ['no', 'ENO'])
  assert.match(error.stack, /logger\.test/)
})

test('a line below the level is not written, and the level can change', () => {
  const { log, lines } = keptLog('warn')
  log.info('no')
  log.level = 'info'
  log.info('yes')
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['yes'],
  )
})

test('whatever was thrown is logged in a bounded line, also what throws when it is looked at', () => {
  const { log, lines } = keptLog()
  // A field that is undefined is no field in JSON.
  const values = hostileValues().filter((value) => value !== undefined)
  for (const error of values) log.error({ error }, 'The handler threw')
  assert.equal(lines.length, values.length)
  for (const line of lines) {
    const { error } = line as { error: { type: unknown; message: unknown } }
    assert.ok(error.type !== undefined && error.message !== undefined, JSON.stringify(line))
    assert.ok(JSON.stringify(line).length < 100_000)
  }
})
