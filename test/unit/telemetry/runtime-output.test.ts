import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { test } from 'node:test'
import { resultOf } from '../../helpers/sandbox.ts'

const modules = ['logger', 'runtime-output'].map(
  (name) => new URL(`../../../src/telemetry/${name}.js`, import.meta.url).href,
)

test('warnings of Node.js and output of packages become log lines, and nothing else is printed', async () => {
  const program = `
    import { createLogger, standardOutput } from '${modules[0]}'
    import { logRuntimeOutput } from '${modules[1]}'
    import { EventEmitter } from 'node:events'
    logRuntimeOutput(createLogger({ service: 'test', role: 'primary' }, 'info', standardOutput()))
    console.error('[ioredis] %s', 'Unhandled error event')
    console.log('two\\nlines')
    const emitter = new EventEmitter()
    for (let at = 0; at < 11; at += 1) emitter.on('x', () => {})
    process.emitWarning('old', 'DeprecationWarning')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const { stdout, stderr } = await resultOf(child)
  assert.equal(stderr, '')
  const lines = stdout.split('\n').filter(Boolean)
  const told = lines.map((line) => JSON.parse(line) as { level: string; msg: string })
  assert.deepEqual(told.slice(0, 2), [
    { ...told[0], level: 'warn', msg: '[ioredis] Unhandled error event' },
    { ...told[1], level: 'info', msg: 'two\nlines' },
  ])
  assert.match(stdout, /MaxListenersExceededWarning/)
  assert.match(stdout, /DeprecationWarning/)
  assert.equal(told.length, 4)
})
