import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as settled } from 'node:timers/promises'
import { Keeper, type Kept, type Loss } from '../../../src/files/keeper.ts'

/** A thing that can be taken away, and what happens to it. */
class Thing implements Kept {
  readonly what: string
  readonly path = '/nowhere/at/all'
  readonly isGround: boolean
  isHere = true
  attempts = 0
  /** Why it cannot be put back. */
  trouble: string | undefined

  constructor(what: string, isGround = false) {
    this.what = what
    this.isGround = isGround
  }

  isThere(): boolean {
    return this.isHere
  }

  putBack(): void {
    this.attempts += 1
    if (this.trouble !== undefined) throw new Error(this.trouble)
    this.isHere = true
  }
}

/** A keeper of these things, and of what `others` has at the time; its clock is the test's. */
function kept(t: TestContext, others: readonly Thing[], ...things: Thing[]) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let nowMs = 0
  t.mock.method(performance, 'now', () => nowMs)
  const said: string[] = []
  const listener = {
    onPutBack: ({ what }: Kept, loss: Loss) => said.push(`${what} ${loss}`),
    onFailure: ({ what }: Kept, loss: Loss, reason: string) =>
      said.push(`${what} ${loss}: ${reason}`),
  }
  const keeper = new Keeper(listener, () => others)
  keeper.keep(...things)
  t.after(() => keeper.close())
  const pass = async (seconds: number) => {
    for (let second = 0; second < seconds; second += 1) {
      nowMs += 1_000
      t.mock.timers.tick(1_000)
      await settled()
    }
  }
  return { keeper, said, pass }
}

test('a file that is removed is restored within about a second, and reported once', async (t) => {
  const thing = new Thing('socket')
  const { said, pass } = kept(t, [], thing)
  await pass(3)
  assert.equal(thing.attempts, 0)
  thing.isHere = false
  await pass(1)
  assert.equal(thing.isHere, true)
  await pass(5)
  assert.deepEqual(said, ['socket missing'])
})

test('a file that cannot be restored is reported once for each reason, and retried with growing delays', async (t) => {
  const thing = new Thing('socket')
  const { said, pass } = kept(t, [], thing)
  thing.isHere = false
  thing.trouble = 'no space'
  await pass(60)
  assert.ok(thing.attempts > 4 && thing.attempts < 8, `${thing.attempts} attempts`)
  thing.trouble = 'read-only'
  await pass(70)
  thing.trouble = undefined
  await pass(70)
  assert.equal(thing.isHere, true)
  assert.deepEqual(said, [
    'socket missing: no space',
    'socket missing: read-only',
    'socket missing',
  ])
})

test('a check looks at once, and tries again what could not be put back', async (t) => {
  const thing = new Thing('socket')
  const { keeper, said, pass } = kept(t, [], thing)
  thing.isHere = false
  thing.trouble = 'no space'
  await pass(40)
  thing.trouble = undefined
  await keeper.check()
  assert.equal(thing.isHere, true)
  thing.isHere = false
  await keeper.check()
  assert.deepEqual(said, ['socket missing: no space', 'socket missing', 'socket missing'])
})

test('what comes and goes is kept while it is there', async (t) => {
  const thing = new Thing('socket')
  const others = [thing]
  const { said, pass } = kept(t, others)
  await pass(1)
  thing.isHere = false
  await pass(1)
  others.pop()
  thing.isHere = false
  await pass(3)
  assert.equal(thing.attempts, 1)
  others.push(thing)
  await pass(1)
  assert.deepEqual(said, ['socket missing', 'socket missing'])
})

test('without the ground nothing is put on it', async (t) => {
  const ground = new Thing('folder', true)
  const thing = new Thing('socket')
  const { said, pass } = kept(t, [], ground, thing)
  ground.isHere = false
  thing.isHere = false
  ground.trouble = 'somebody else has it'
  await pass(10)
  assert.equal(thing.attempts, 0)
  ground.trouble = undefined
  await pass(10)
  assert.deepEqual(said, [
    'folder missing: somebody else has it',
    'folder missing',
    'socket missing',
  ])
})

test('one that cannot be put back holds no other up', async (t) => {
  const one = new Thing('one')
  const other = new Thing('other')
  const { said, pass } = kept(t, [], one, other)
  one.isHere = false
  one.trouble = 'never'
  other.isHere = false
  await pass(1)
  assert.deepEqual(said, ['one missing: never', 'other missing'])
})

test('a file that is left is not restored any more, until it is kept again', async (t) => {
  const thing = new Thing('socket')
  const { keeper, said, pass } = kept(t, [], thing)
  await keeper.leave(thing)
  thing.isHere = false
  await pass(3)
  assert.equal(thing.attempts, 0)
  keeper.keep(thing)
  keeper.keep(thing)
  await pass(1)
  assert.deepEqual(said, ['socket missing'])
})

test('a path that cannot be looked at counts as lost, not as an exception', async (t) => {
  const thing = new Thing('socket')
  const { said, pass } = kept(t, [], thing)
  t.mock.method(thing, 'isThere', () => {
    throw new Error('closed')
  })
  thing.trouble = 'closed'
  await pass(2)
  assert.deepEqual(said, ['socket missing: closed'])
})
