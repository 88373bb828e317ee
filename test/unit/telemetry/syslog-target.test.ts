import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSyslogTarget, loggerArguments } from '../../../src/telemetry/syslog-target.ts'

const argumentsFor = (target: string) =>
  loggerArguments(target, { service: 'echo', pid: 42 }).slice(6).join(' ')

const good: readonly [string, string][] = [
  ['local', '--socket-errors=on'],
  ['unix:///run/a%20b/log', '--socket-errors=on --socket /run/a b/log'],
  ['udp://192.0.2.1:514', '--rfc5424=notq --server 192.0.2.1 --port 514 --udp'],
  ['tcp://logs.example.org:601', '--rfc5424=notq --server logs.example.org --port 601 --tcp'],
  ['tcp://[::1]:601', '--rfc5424=notq --server ::1 --port 601 --tcp'],
]

for (const [target, expected] of good) {
  test(`${target} is sent to by logger ${expected}`, () => {
    assert.equal(isSyslogTarget(target), true)
    assert.equal(argumentsFor(target), expected)
  })
}

test('the lines carry the name and the process of the service', () => {
  const [, ...identity] = loggerArguments('local', { service: 'echo', pid: 42 })
  assert.deepEqual(identity.slice(0, 3), ['--tag', 'echo', '--id=42'])
})

for (const target of [
  '',
  'on',
  'udp://host',
  'http://host:1',
  'unix://',
  'tcp://-x y:1',
  'udp://x:99999',
  'tcp://[:::]:1',
]) {
  test(`"${target}" is no place for log lines`, () => assert.equal(isSyslogTarget(target), false))
}
