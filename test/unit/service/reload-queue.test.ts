import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Figures } from '../../../src/connections/figures.ts'
import { Reloader } from '../../../src/service/reloader.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { Clock } from '../support/clock.ts'
import { keptLog } from '../support/kept-log.ts'

const ignore = () => {}

/** A reloader whose reloads end when the test says so, and which must never run two at once. */
function steeredReloader(t: TestContext) {
  const asked: (string | undefined)[] = []
  const ends: { done: () => void; fail: (reason: Error) => void }[] = []
  let running = 0
  let most = 0
  t.after(() => assert.ok(most <= 1, `${most} reloads at once`))
  const { log, lines } = keptLog()
  const reloader = new Reloader<{ mark: string }>({
    perform: async ({ mark }) => {
      asked.push(mark)
      running += 1
      most = Math.max(most, running)
      try {
        await new Promise<void>((done, fail) => ends.push({ done, fail }))
      } finally {
        running -= 1
      }
    },
    onReload: ignore,
    events: new Events(log),
    figures: new Figures(),
    log,
  })
  const end = (reason?: Error) => {
    const next = ends.shift()
    if (reason === undefined) next?.done()
    else next?.fail(reason)
  }
  return { reloader, asked, end, lines }
}

test('a reload runs at once, and its outcome is kept', async (t) => {
  const { reloader, asked, end } = steeredReloader(t)
  assert.equal(reloader.last, null)
  const result = reloader.request({ mark: 'a' }, 'SIGHUP')
  assert.deepEqual(asked, ['a'])
  end()
  const { at, durationMs, ...outcome } = await result
  assert.deepEqual(outcome, { outcome: 'done', reason: null })
  assert.equal(new Date(at).toISOString(), at)
  assert.ok(Number.isInteger(durationMs) && durationMs >= 0)
  assert.equal(reloader.last, await result)
})

test('a failed reload resolves with its reason and logs it as an error', async (t) => {
  const { reloader, end, lines } = steeredReloader(t)
  const result = reloader.request({}, 'SIGHUP')
  end(new Error('The app is broken'))
  const { outcome, reason } = await result
  assert.deepEqual(
    { outcome, reason },
    {
      outcome: 'failed',
      reason: 'The app is broken (in step "configuration")',
    },
  )
  assert.ok(lines.some(({ level, reason: logged }) => level === 'error' && logged === reason))
})

test('a hundred requests during a reload become exactly one more', async (t) => {
  const { reloader, asked, end } = steeredReloader(t)
  const first = reloader.request({ mark: '0' }, 'SIGHUP')
  const others = Array.from({ length: 100 }, (_, at) =>
    reloader.request({ mark: `${at + 1}` }, 'SIGHUP'),
  )
  end()
  await first
  await turn()
  assert.deepEqual(asked, ['0', '100'])
  end()
  const results = new Set(await Promise.all(others))
  assert.equal(results.size, 1)
  assert.notEqual([...results][0], await first)
  await turn()
  assert.equal(asked.length, 2)
})

test('a request that names nothing does not undo what another one named', async (t) => {
  const { reloader, asked, end } = steeredReloader(t)
  const first = reloader.request({}, 'SIGHUP')
  void reloader.request({ mark: 'wanted' }, 'a command')
  const last = reloader.request({}, 'SIGHUP')
  end()
  await first
  await turn()
  end()
  await last
  assert.deepEqual(asked, [undefined, 'wanted'])
})

test('the reload after a failed one runs all the same', async (t) => {
  const { reloader, end } = steeredReloader(t)
  const first = reloader.request({ mark: 'a' }, 'SIGHUP')
  const second = reloader.request({ mark: 'b' }, 'SIGHUP')
  end(new Error('no'))
  assert.equal((await first).outcome, 'failed')
  await turn()
  end()
  assert.equal((await second).outcome, 'done')
})

test('a request in the very moment in which a reload ends joins the one that is due', async (t) => {
  const { reloader, asked, end } = steeredReloader(t)
  const first = reloader.request({ mark: 'first' }, 'SIGHUP')
  const late = first.then(() => reloader.request({ mark: 'late' }, 'SIGHUP'))
  const second = reloader.request({ mark: 'second' }, 'SIGHUP')
  end()
  await turn()
  assert.deepEqual(asked, ['first', 'late'])
  end()
  assert.equal(await late, await second)
})

test('a failed reload names the step that it was in', async () => {
  const { log } = keptLog()
  const events = new Events(log)
  const reloader = new Reloader({
    perform: async (_, enter) => {
      enter('address')
      enter('canary')
      throw new Error('no')
    },
    onReload: ignore,
    events,
    figures: new Figures(),
    log,
  })
  const { reason } = await reloader.request({}, 'a command')
  assert.equal(reason, 'no (in step "canary")')
  const [begun, failed] = events.last(2)
  assert.deepEqual([begun?.kind, begun?.['cause']], ['reload-begun', 'a command'])
  assert.deepEqual([failed?.kind, failed?.['step']], ['reload-failed', 'canary'])
})

test('a reason that is too long is cut in the result, but not in the log', async (t) => {
  const { reloader, end, lines } = steeredReloader(t)
  const result = reloader.request({}, 'SIGHUP')
  end(new Error('x'.repeat(8_000)))
  const inStep = ' (in step "configuration")'
  assert.equal((await result).reason, `${'x'.repeat(2_000)}…${inStep}`)
  assert.equal(lines.at(-1)?.['reason'], `${'x'.repeat(8_000)}${inStep}`)
})

test('of a storm of signals the first is served at once, and the others when it is over', async (t) => {
  const clock = new Clock(t)
  const { reloader, asked, end } = steeredReloader(t)
  for (let count = 0; count < 100; count += 1) {
    reloader.signal('SIGHUP')
    // As fast as they are, none of the reloads lasts as long as the storm.
    end()
    clock.advance(20)
    await turn()
    assert.equal(asked.length, 1)
  }
  clock.advance(500)
  await turn()
  assert.equal(asked.length, 2)
  end()
  clock.advance(10_000)
  await turn()
  assert.equal(asked.length, 2)
})

test('a signal after a while of silence is served at once', async (t) => {
  const clock = new Clock(t)
  const { reloader, asked, end } = steeredReloader(t)
  for (const count of [1, 2, 3]) {
    reloader.signal('SIGHUP')
    assert.equal(asked.length, count)
    end()
    await turn()
    clock.advance(500)
  }
})

test('a storm that never ends is served all the same', async (t) => {
  const clock = new Clock(t)
  const { reloader, asked, end } = steeredReloader(t)
  for (let ms = 0; ms < 60_000; ms += 100) {
    reloader.signal('SIGHUP')
    end()
    clock.advance(100)
    await turn()
  }
  assert.ok(asked.length >= 5 && asked.length <= 7, `${asked.length} reloads in a minute`)
})

test('a command in the midst of a storm does not wait for its end', async (t) => {
  Clock.stop(t)
  const { reloader, asked, end } = steeredReloader(t)
  reloader.signal('SIGHUP')
  reloader.signal('SIGHUP')
  end()
  await turn()
  assert.equal(asked.length, 1)
  const result = reloader.request({ mark: 'wanted' }, 'a command')
  await turn()
  assert.deepEqual(asked, [undefined, 'wanted'])
  end()
  assert.equal((await result).outcome, 'done')
})

/** Lets everything that is already due happen. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

test('a reload is owed that a signal has asked for, until somebody waits for its outcome', async (t) => {
  const { reloader, end } = steeredReloader(t)
  const first = reloader.request({}, 'a command')
  assert.equal(reloader.isOwed, false)
  reloader.signal('SIGHUP')
  assert.equal(reloader.isOwed, true)
  const second = reloader.request({}, 'another command')
  assert.equal(reloader.isOwed, false)
  end()
  await first
  await turn()
  end()
  await second
})
