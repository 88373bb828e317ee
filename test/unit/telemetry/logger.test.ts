import assert from 'node:assert/strict'
import { test } from 'node:test'
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

test('what is below the level is not written, and the level can change', () => {
  const { log, lines } = keptLog('warn')
  log.info('no')
  log.level = 'info'
  log.info('yes')
  assert.deepEqual(
    lines.map(({ msg }) => msg),
    ['yes'],
  )
})
