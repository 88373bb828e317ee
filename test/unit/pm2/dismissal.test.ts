import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AskedBy, type Intent, intentOf, type Origin } from '../../../src/pm2/dismissal.ts'
import type { AppRecord } from '../../../src/pm2/pm2-daemon.ts'

const askedAtMs = 1_000_000
const first: Origin = { pid: 11, createdAt: 500_000, restartDelayMs: undefined }
const later: Origin = { pid: 11, createdAt: 500_000, restartDelayMs: 0 }

const record = (changes: Partial<AppRecord> = {}): AppRecord => ({
  pid: 11,
  status: 'stopping',
  createdAt: 500_000,
  restarts: 0,
  restartDelayMs: undefined,
  environment: {},
  folder: undefined,
  ...changes,
})

const anew = { createdAt: askedAtMs - 2, restartDelayMs: 0 }
const longAgo = { createdAt: askedAtMs - 10_000, restartDelayMs: 0 }

const cases: readonly (readonly [string, Origin, AppRecord | undefined | null, Intent, Intent])[] =
  [
    ['pm2 stop, delete, kill', first, record(), 'stop', 'stop'],
    ['pm2 restart', first, record(anew), 'restart', 'restart'],
    ['pm2 restart, seen late', first, record(longAgo), 'restart', 'restart'],
    [
      'pm2 restart after others, seen late',
      later,
      record({ ...longAgo, restarts: 2 }),
      'restart',
      'restart',
    ],
    ['pm2 restart after pm2 reset', later, record(anew), 'restart', 'restart'],
    ['pm2 stop after pm2 reset', later, record(longAgo), 'stop', 'stop'],
    ['pm2 stop right after pm2 reset', first, record({ createdAt: askedAtMs - 2 }), 'stop', 'stop'],
    ['pm2 reload, the new process is in the record', first, record({ pid: 12 }), 'leave', 'leave'],
    ['the record is gone', first, undefined, 'leave', 'leave'],
    ['pm2 does not answer', first, null, 'stop', 'leave'],
    ['pm2 has not asked for anything', first, record({ status: 'online' }), 'stop', 'nothing'],
  ]

for (const [what, origin, found, byMessage, bySignal] of cases) {
  const expected: Record<AskedBy, Intent> = { message: byMessage, signal: bySignal }
  test(`${what}: ${byMessage} by message, ${bySignal} by signal`, () => {
    for (const by of ['message', 'signal'] as const) {
      assert.equal(intentOf(by, origin, found, askedAtMs), expected[by], by)
    }
  })
}
