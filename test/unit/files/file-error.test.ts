import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HelloserverError } from '../../../src/errors.ts'
import { withFile } from '../../../src/files/file-error.ts'

const failing = (error: Error) => () => {
  throw error
}

test('an error of the system names the file, what is wrong and what to do', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), {
    code: 'ENOSPC',
  })
  assert.throws(() => withFile('write the PID file', '/run/a.pid', failing(full)), {
    code: 'BOOT_FAILED',
    message:
      'Cannot write the PID file /run/a.pid: no space is left on the file system; make room there, or use another one (ENOSPC)',
    cause: full,
  })
})

test('one that nobody foresaw names the file, too; one of ours stays as it is', () => {
  const odd = Object.assign(new Error('EXDEV: cross-device link'), { code: 'EXDEV' })
  assert.throws(() => withFile('move', '/a', failing(odd)), {
    message: 'Cannot move /a: EXDEV: cross-device link',
  })
  const own = new HelloserverError('BAD_CONFIG', 'No')
  assert.throws(() => withFile('move', '/a', failing(own)), own)
})
