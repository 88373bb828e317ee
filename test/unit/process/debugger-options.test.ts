import assert from 'node:assert/strict'
import { test } from 'node:test'
import { refuseWaitingDebugger } from '../../../src/process/debugger.ts'

test('options with which nobody would get ready are refused, others are not', (t) => {
  const before = process.env['NODE_OPTIONS']
  t.after(() => {
    if (before === undefined) delete process.env['NODE_OPTIONS']
    else process.env['NODE_OPTIONS'] = before
  })
  for (const option of ['--inspect-brk', '--inspect-brk=0', '--inspect-wait', '--inspect_brk']) {
    process.env['NODE_OPTIONS'] = `--no-warnings ${option}`
    assert.throws(refuseWaitingDebugger, {
      code: 'BAD_CONFIG',
      message: `The Node.js option "${option}" makes every process wait for a debugger; remove it from NODE_OPTIONS, or use "--inspect"`,
    })
  }
  process.env['NODE_OPTIONS'] = '--inspect --inspect-port=0'
  refuseWaitingDebugger()
})
