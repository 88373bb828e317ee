import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { Reloader } from '../../../src/primary/reloader.ts'
import { keptLog } from '../support/kept-log.ts'

/** A reloader whose reloads end when the test says so, and which must never run two at once. */
function steeredReloader(t: TestContext) {
  const asked: (string | undefined)[] = []
  const ends: { done: () => void; fail: (reason: Error) => void }[] = []
  let running = 0
  let most = 0
  t.after(() => assert.ok(most <= 1, `${most} reloads at once`))
  const { log, lines } = keptLog()
  const reloader = new Reloader<{ mark: string }>(async ({ mark }) => {
    asked.push(mark)
    running += 1
    most = Math.max(most, running)
    try {
      await new Promise<void>((done, fail) => ends.push({ done, fail }))
    } finally {
      running -= 1
    }
  }, log)
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
  assert.deepEqual({ outcome, reason }, { outcome: 'failed', reason: 'The app is broken' })
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

/** Lets everything that is already due happen. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
