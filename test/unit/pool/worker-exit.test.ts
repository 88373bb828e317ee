import assert from 'node:assert/strict'
import { test } from 'node:test'
import { restartCause, type WorkerExit } from '../../../src/pool/worker-exit.ts'

const exit: WorkerExit = {
  code: 1,
  signal: null,
  failure: undefined,
  reason: undefined,
  wasReady: true,
  wasKilled: false,
  hadNoHeap: false,
  claimed: 0,
  unfit: undefined,
  lastStep: undefined,
  readyForMs: 10,
}

const cases: readonly [string, Partial<WorkerExit>][] = [
  ['exit', {}],
  ['left', { code: 0 }],
  ['signal', { code: null, signal: 'SIGSEGV' }],
  ['hung', { code: null, signal: 'SIGKILL', wasKilled: true }],
  ['unfit', { unfit: 'it cannot claim', code: 0 }],
  ['unfit', { unfit: 'it cannot claim', code: null, signal: 'SIGKILL', wasKilled: true }],
  ['not-ready', { wasReady: false }],
  ['not-ready', { wasReady: false, wasKilled: true }],
  ['out-of-memory', { code: null, signal: 'SIGABRT', hadNoHeap: true }],
]

for (const [cause, how] of cases) {
  test(`${JSON.stringify(how)} counts as ${cause}`, () => {
    assert.equal(restartCause({ ...exit, ...how }), cause)
  })
}
