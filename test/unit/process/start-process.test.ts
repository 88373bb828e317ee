import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { deferred } from '../../../src/async/deferred.ts'
import type { HelloserverError } from '../../../src/errors.ts'
import { startProcess } from '../../../src/process/start-process.ts'

/** The reason that a process cannot be started for. */
async function failureOf(start: () => ChildProcess): Promise<HelloserverError> {
  const failure = deferred<HelloserverError>()
  const child = startProcess('a test', start, (error) => failure.resolve(error))
  assert.equal(child, undefined)
  return failure.promise
}

test('a process that can be started is returned', async () => {
  const child = startProcess('a test', () => spawn(process.execPath, ['--version']), assert.fail)
  assert.ok(child !== undefined && child.pid !== undefined)
  assert.deepEqual(await once(child, 'exit'), [0, null])
})

const failures: readonly [string, () => ChildProcess, RegExp][] = [
  [
    'that Node.js emits',
    () => spawn('/no/such/program'),
    /^Cannot start a test: spawn \/no\/such\/program ENOENT: the program does not exist$/,
  ],
  [
    'that Node.js throws',
    // A single argument has at most 128 KiB (execve(2)).
    () => spawn(process.execPath, ['x'.repeat(200_000)]),
    /^Cannot start a test: spawn E2BIG$/,
  ],
  [
    'of what is to be made before',
    () => {
      throw Object.assign(new Error('EMFILE, open'), { code: 'EMFILE', syscall: 'open' })
    },
    /EMFILE, open: no file descriptor is left; raise "ulimit -n"$/,
  ],
  [
    'of a file that the process was to be given',
    () => {
      throw Object.assign(new Error('ENOENT, open log'), { code: 'ENOENT', syscall: 'open' })
    },
    /^Cannot start a test: ENOENT, open log$/,
  ],
]

for (const [kind, start, message] of failures) {
  test(`an error ${kind} is told once, in words`, async () => {
    const failure = await failureOf(start)
    assert.equal(failure.code, 'CANNOT_SPAWN')
    assert.match(failure.message, message)
  })
}
