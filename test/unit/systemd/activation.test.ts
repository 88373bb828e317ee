import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ListenSettings } from '../../../src/config/listen.ts'
import { activation, inheritedSockets } from '../../../src/systemd/activation.ts'
import { keptLog } from '../support/kept-log.ts'

test('sockets that are for this process begin with descriptor 3, and may have names', () => {
  const sockets = (LISTEN_FDS: string, LISTEN_FDNAMES?: string) =>
    activation({ LISTEN_FDS, LISTEN_PID: '7', ...(LISTEN_FDNAMES && { LISTEN_FDNAMES }) }, 7)
  assert.deepEqual(sockets('1'), { kind: 'sockets', sockets: [{ fd: 3, name: undefined }] })
  assert.deepEqual(sockets('2', 'web:listen.0'), {
    kind: 'sockets',
    sockets: [
      { fd: 3, name: 'web' },
      { fd: 4, name: 'listen.0' },
    ],
  })
})

const listen: ListenSettings[] = [
  { endpoint: { host: '127.0.0.1', port: 1 } },
  { endpoint: { path: '/x' } },
]

/** The ports or paths that sockets with these names are for, in the order of the sockets. */
function placesOf(...names: (string | undefined)[]): unknown[] {
  const sockets = names.map((name, at) => ({ fd: 3 + at, name }))
  return inheritedSockets({ kind: 'sockets', sockets }, listen, false, keptLog().log).map(
    (given) =>
      given.kind === 'inherited' ? (given.endpoint.path ?? given.endpoint.port) : undefined,
  )
}

test('sockets are for the endpoints that their names tell, else for all of them in order', () => {
  assert.deepEqual(placesOf('listen.1', 'listen.0'), ['/x', 1])
  assert.deepEqual(placesOf('listen.1'), ['/x'])
  assert.deepEqual(placesOf('helloserver.socket', undefined), [1, '/x'])
})

test('a socket without an endpoint is refused', () => {
  for (const [names, message] of [
    [[undefined], /passed 1 socket for 2 endpoints; name each by FileDescriptorName=/],
    [['listen.2'], /socket 3 is named "listen.2"; .* from "listen.0" to "listen.1"$/],
    [['listen.0', 'web'], /socket 4 is named "web"; /],
    [['listen.0', 'listen.0'], /socket 4 is named "listen.0"; /],
  ] as const) {
    assert.throws(() => placesOf(...names), { code: 'BAD_CONFIG', message })
  }
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
  ['0', '7', /^LISTEN_FDS is 0; it must be a number of sockets from 1 to 64$/],
  ['65', '7', /^LISTEN_FDS is 65; /],
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
