import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activation } from '../../../src/systemd/activation.ts'

test('one socket that is for this process is descriptor 3', () => {
  assert.deepEqual(activation({ LISTEN_FDS: '1', LISTEN_PID: '7' }, 7), { kind: 'socket', fd: 3 })
})

test('without the variables there is none', () => {
  assert.deepEqual(activation({ NOTIFY_SOCKET: '/x' }, 7), { kind: 'none' })
})

test('a connection that was passed to another process is left alone', () => {
  for (const LISTEN_FDS of ['1', '2']) {
    const given = activation({ LISTEN_FDS, LISTEN_PID: '6' }, 7)
    assert.deepEqual(given, { kind: 'not-ours', listenPid: 6 })
  }
})

const wrong: readonly (readonly [
  fds: string | undefined,
  pid: string | undefined,
  told: RegExp,
])[] = [
  ['0', '7', /^LISTEN_FDS is 0; .* exactly one ListenStream$/],
  ['2', '7', /^LISTEN_FDS is 2; .* exactly one ListenStream$/],
  ['one', '7', /^LISTEN_FDS is "one"; it must be the number of inherited sockets$/],
  ['-1', '7', /^LISTEN_FDS is "-1"; /],
  [undefined, '7', /^LISTEN_FDS is missing; /],
  ['1', undefined, /^LISTEN_PID is missing; it must be the PID /],
  ['1', 'seven', /^LISTEN_PID is "seven"; /],
]

for (const [LISTEN_FDS, LISTEN_PID, message] of wrong) {
  test(`LISTEN_FDS=${LISTEN_FDS} and LISTEN_PID=${LISTEN_PID} are refused`, () => {
    const given = {
      ...(LISTEN_FDS === undefined ? {} : { LISTEN_FDS }),
      ...(LISTEN_PID === undefined ? {} : { LISTEN_PID }),
    }
    assert.throws(() => activation(given, 7), { code: 'BAD_CONFIG', message })
  })
}
