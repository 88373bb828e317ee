import assert from 'node:assert/strict'
import { test } from 'node:test'
import { settingsProblems } from '../../../src/pm2/settings.ts'

const timeouts = { drainTimeoutMs: 30_000, readyTimeoutMs: 15_000 }

const given = (
  times: Partial<Record<'kill_timeout' | 'listen_timeout', number>>,
  switches: readonly string[] = ['wait_ready'],
  drainAnnounceMs = 0,
  leftAlone = [3],
  isClustered = true,
) =>
  settingsProblems(
    {
      milliseconds: (setting) => times[setting],
      isOn: (setting) => switches.includes(setting),
      isClustered,
      isLeftAloneOn: (status) => leftAlone.includes(status),
    },
    { ...timeouts, drainAnnounceMs },
  )

test('settings that leave time for everything are no problem', () => {
  assert.deepEqual(given({ kill_timeout: 33_000, listen_timeout: 33_000 }), [])
})

test('a time that is too short, or not set, is named with what it must be', () => {
  const problems = given({ kill_timeout: 32_999 })
  assert.equal(problems.length, 2)
  assert.match(problems[0] ?? '', /kill_timeout is 32999; it must be at least 33000, or /)
  assert.match(problems[1] ?? '', /listen_timeout is not set; it must be at least 33000, or /)
})

test('the announcement of a drain takes its time too', () => {
  const problems = given({ kill_timeout: 33_000, listen_timeout: 33_000 }, undefined, 5_000)
  assert.equal(problems.length, 1)
  assert.match(problems[0] ?? '', /kill_timeout is 33000; it must be at least 38000, or /)
})

test('a switch that is off is named with what breaks', () => {
  const problems = given({ kill_timeout: 60_000, listen_timeout: 60_000 }, [])
  assert.equal(problems.length, 1)
  assert.match(problems[0] ?? '', /needs wait_ready: true, or /)
})

test('in fork mode pm2 waits for nothing that is not to say that it is ready', () => {
  const problems = given({ kill_timeout: 33_000 }, [], 0, [3], false)
  assert.equal(problems.length, 1)
  assert.match(problems[0] ?? '', /needs wait_ready: true, or /)
})

test('an end on purpose that pm2 would undo is named', () => {
  const [problem, ...others] = given(
    { kill_timeout: 33_000, listen_timeout: 33_000 },
    undefined,
    0,
    [2, 78],
  )
  assert.match(problem ?? '', /stop_exit_codes must include 3, or pm2 starts the service again/)
  assert.deepEqual(others, [])
})
