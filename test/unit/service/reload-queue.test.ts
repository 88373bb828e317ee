import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Stats } from '../../../src/connections/stats.ts'
import { ReloadQueue } from '../../../src/service/reload-queue.ts'
import type { ReloadStep, StepName } from '../../../src/service/reload-steps.ts'
import { Events } from '../../../src/telemetry/events.ts'
import { Clock } from '../support/clock.ts'
import { keptLog } from '../support/kept-log.ts'

const ignore = () => {}

/** A queue whose reloads end when the test says so, and which must never run two at once. */
function steeredQueue(t: TestContext) {
  const asked: (string | undefined)[] = []
  const ends: { done: () => void; fail: (reason: Error) => void }[] = []
  let running = 0
  let most = 0
  t.after(() => assert.ok(most <= 1, `${most} reloads at once`))
  const { log, lines } = keptLog()
  const perform = async (mark: string | undefined) => {
    asked.push(mark)
    running += 1
    most = Math.max(most, running)
    try {
      await new Promise<void>((done, fail) => ends.push({ done, fail }))
    } finally {
      running -= 1
    }
  }
  const queue = new ReloadQueue<{ mark: string }>(
    {
      stepsOf: ({ mark }) => [{ name: 'configuration', run: () => perform(mark) }],
      onReload: ignore,
    },
    new Events(log),
    new Stats(),
    log,
  )
  const end = (reason?: Error) => {
    const next = ends.shift()
    if (reason === undefined) next?.done()
    else next?.fail(reason)
  }
  return { queue, asked, end, lines }
}

test('a reload runs at once, and its outcome is kept', async (t) => {
  const { queue, asked, end } = steeredQueue(t)
  assert.equal(queue.last, null)
  const result = queue.request({ mark: 'a' }, 'SIGHUP')
  assert.deepEqual(asked, ['a'])
  end()
  const { at, durationMs, ...outcome } = await result
  assert.deepEqual(outcome, { outcome: 'done', reason: null })
  assert.equal(new Date(at).toISOString(), at)
  assert.ok(Number.isInteger(durationMs) && durationMs >= 0)
  assert.equal(queue.last, await result)
})

test('a failed reload resolves with its reason and logs it as an error', async (t) => {
  const { queue, end, lines } = steeredQueue(t)
  const result = queue.request({}, 'SIGHUP')
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
  const { queue, asked, end } = steeredQueue(t)
  const first = queue.request({ mark: '0' }, 'SIGHUP')
  const others = Array.from({ length: 100 }, (_, at) =>
    queue.request({ mark: `${at + 1}` }, 'SIGHUP'),
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
  const { queue, asked, end } = steeredQueue(t)
  const first = queue.request({}, 'SIGHUP')
  void queue.request({ mark: 'wanted' }, 'a command')
  const last = queue.request({}, 'SIGHUP')
  end()
  await first
  await turn()
  end()
  await last
  assert.deepEqual(asked, [undefined, 'wanted'])
})

test('the reload after a failed one runs all the same', async (t) => {
  const { queue, end } = steeredQueue(t)
  const first = queue.request({ mark: 'a' }, 'SIGHUP')
  const second = queue.request({ mark: 'b' }, 'SIGHUP')
  end(new Error('no'))
  assert.equal((await first).outcome, 'failed')
  await turn()
  end()
  assert.equal((await second).outcome, 'done')
})

test('a request in the very moment in which a reload ends joins the one that is due', async (t) => {
  const { queue, asked, end } = steeredQueue(t)
  const first = queue.request({ mark: 'first' }, 'SIGHUP')
  const late = first.then(() => queue.request({ mark: 'late' }, 'SIGHUP'))
  const second = queue.request({ mark: 'second' }, 'SIGHUP')
  end()
  await turn()
  assert.deepEqual(asked, ['first', 'late'])
  end()
  assert.equal(await late, await second)
})

/** A queue of reloads with these steps, and the events that it records. */
function queueOf(steps: readonly ReloadStep[]) {
  const { log, lines } = keptLog()
  const events = new Events(log)
  const listener = { stepsOf: () => steps, onReload: ignore }
  return { queue: new ReloadQueue(listener, events, new Stats(), log), events, lines }
}

/** Steps that write down what is done with them; those in `failing` fail. */
function recordedSteps(failing: readonly string[] = []) {
  const done: string[] = []
  const act = (what: string) => {
    done.push(what)
    if (failing.includes(what)) throw new Error(`${what} failed`)
  }
  const step = (name: StepName): ReloadStep => ({
    name,
    run: async () => act(`run ${name}`),
    undo: () => act(`undo ${name}`),
    complete: () => act(`complete ${name}`),
  })
  return { done, steps: (['fleet', 'address', 'canary'] as const).map(step) }
}

test('a failed reload names the step that it was in', async () => {
  const { steps } = recordedSteps(['run canary'])
  const { queue, events } = queueOf(steps)
  const { reason } = await queue.request({}, 'a command')
  assert.equal(reason, 'run canary failed (in step "canary")')
  const [begun, failed] = events.last(2)
  assert.deepEqual([begun?.kind, begun?.['cause']], ['reload-begun', 'a command'])
  assert.deepEqual([failed?.kind, failed?.['step']], ['reload-failed', 'canary'])
})

test('steps are run in order and completed in reverse', async () => {
  const { done, steps } = recordedSteps()
  assert.equal((await queueOf(steps).queue.request({}, 'a command')).outcome, 'done')
  const run = ['run fleet', 'run address', 'run canary']
  assert.deepEqual(done, [...run, 'complete canary', 'complete address', 'complete fleet'])
})

test('when a step fails, those before it are undone in reverse, and no other', async () => {
  const { done, steps } = recordedSteps(['run canary'])
  await queueOf(steps).queue.request({}, 'a command')
  const run = ['run fleet', 'run address', 'run canary']
  assert.deepEqual(done, [...run, 'undo address', 'undo fleet'])
})

test('a step that cannot be undone or completed keeps no other from it', async () => {
  const undone = recordedSteps(['run canary', 'undo address'])
  const { queue, lines } = queueOf(undone.steps)
  const { reason } = await queue.request({}, 'a command')
  assert.equal(reason, 'run canary failed (in step "canary")')
  assert.ok(undone.done.includes('undo fleet'))
  assert.ok(lines.some(({ step, msg }) => step === 'address' && msg === 'Cannot undo a step'))
  const completed = recordedSteps(['complete canary'])
  const result = await queueOf(completed.steps).queue.request({}, 'a command')
  assert.equal(result.outcome, 'failed')
  assert.ok(completed.done.includes('complete fleet'))
})

test('a reason that is too long is cut in the result, but not in the log', async (t) => {
  const { queue, end, lines } = steeredQueue(t)
  const result = queue.request({}, 'SIGHUP')
  end(new Error('x'.repeat(8_000)))
  const inStep = ' (in step "configuration")'
  assert.equal((await result).reason, `${'x'.repeat(2_000)}…${inStep}`)
  assert.equal(lines.at(-1)?.['reason'], `${'x'.repeat(8_000)}${inStep}`)
})

test('of a storm of signals the first is served at once, and the others when it is over', async (t) => {
  const clock = new Clock(t)
  const { queue, asked, end } = steeredQueue(t)
  for (let count = 0; count < 100; count += 1) {
    queue.signal('SIGHUP')
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
  const { queue, asked, end } = steeredQueue(t)
  for (const count of [1, 2, 3]) {
    queue.signal('SIGHUP')
    assert.equal(asked.length, count)
    end()
    await turn()
    clock.advance(500)
  }
})

test('a storm that never ends is served all the same', async (t) => {
  const clock = new Clock(t)
  const { queue, asked, end } = steeredQueue(t)
  for (let ms = 0; ms < 60_000; ms += 100) {
    queue.signal('SIGHUP')
    end()
    clock.advance(100)
    await turn()
  }
  assert.ok(asked.length >= 5 && asked.length <= 7, `${asked.length} reloads in a minute`)
})

test('a command in the midst of a storm does not wait for its end', async (t) => {
  Clock.stop(t)
  const { queue, asked, end } = steeredQueue(t)
  queue.signal('SIGHUP')
  queue.signal('SIGHUP')
  end()
  await turn()
  assert.equal(asked.length, 1)
  const result = queue.request({ mark: 'wanted' }, 'a command')
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
  const { queue, end } = steeredQueue(t)
  const first = queue.request({}, 'a command')
  assert.equal(queue.isOwed, false)
  queue.signal('SIGHUP')
  assert.equal(queue.isOwed, true)
  const second = queue.request({}, 'another command')
  assert.equal(queue.isOwed, false)
  end()
  await first
  await turn()
  end()
  await second
})
