import assert from 'node:assert/strict'
import { test } from 'node:test'
import { History } from '../../fleet-faults/history.ts'
import type { Entry } from '../../fleet-faults/journal.ts'
import { violationsIn, type Wrong } from '../../fleet-faults/verdict.ts'

const held = (atMs: number, token: number, untilMs: number | null): Entry => ({
  kind: 'held',
  atMs,
  token,
  untilMs,
})
const extended = (atMs: number, untilMs: number): Entry => ({ kind: 'extended', atMs, untilMs })
const ended = (atMs: number): Entry => ({ kind: 'ended', atMs, cause: 'over' })

interface Happened {
  readonly a: readonly Entry[]
  readonly b: readonly Entry[]
  /** Contender, token, when it was sent and arrived, whether it was taken. */
  readonly writes?: readonly (readonly [string, number, number, boolean])[]
}

function verdictOn({ a, b, writes = [] }: Happened): Wrong[] {
  const history = new History()
  history.say('a', a)
  history.say('b', b)
  history.write(
    writes.map(([contender, token, atMs, isAccepted]) => ({
      contender,
      token,
      sentMs: atMs,
      arrivedMs: atMs,
      isAccepted,
    })),
  )
  return violationsIn(history).map(({ wrong }) => wrong)
}

const good = [held(0, 1, 100), extended(50, 150), ended(140)]

test('one after the other is right', () => {
  const writes = [
    ['a', 1, 139, true],
    ['b', 2, 201, true],
    ['a', 1, 202, false],
  ] as const
  // The write that came late was sent in time.
  const late = { contender: 'a', token: 1, sentMs: 139, arrivedMs: 202, isAccepted: false }
  const history = new History()
  history.say('a', good)
  history.say('b', [held(200, 2, 300)])
  history.write([late])
  assert.deepEqual(violationsIn(history), [])
  assert.deepEqual(verdictOn({ a: good, b: [held(200, 2, 300)], writes: writes.slice(0, 2) }), [])
})

const wrongs: readonly (readonly [string, Happened, readonly Wrong[]])[] = [
  [
    'a rival that begins before the deadline that the holder has declared',
    { a: [held(0, 1, 100), extended(50, 150)], b: [held(149, 2, 300)] },
    ['overlap', 'unaware'],
  ],
  [
    'a holder that knows its loss only after its rival has begun',
    { a: [held(0, 1, 100), ended(200)], b: [held(150, 2, 300)] },
    ['unaware'],
  ],
  [
    'a holder whose guard lets something through after its deadline',
    { a: [held(0, 1, 100), ended(101)], b: [held(150, 2, 300)], writes: [['a', 1, 160, false]] },
    ['overlap'],
  ],
  [
    'a short claim within a long one, and one after both',
    { a: [held(0, 1, 1000), ended(500)], b: [held(100, 2, 200), ended(150), held(300, 3, 400)] },
    ['overlap', 'unaware', 'overlap', 'unaware'],
  ],
  ['the same token for two', { a: good, b: [held(200, 1, 300)] }, ['token']],
  ['a token that falls', { a: [held(0, 5, 100), ended(50)], b: [held(200, 4, 300)] }, ['token']],
  [
    'a write that is taken after a newer one',
    {
      a: good,
      b: [held(200, 2, 300)],
      writes: [
        ['b', 2, 201, true],
        ['a', 1, 130, true],
      ],
    },
    ['stale'],
  ],
  ['a write by nobody', { a: good, b: [], writes: [['b', 9, 10, true]] }, ['stale']],
  [
    'a flag that holds until further notice',
    { a: [held(0, 1, null), ended(400)], b: [held(200, 2, 300)] },
    ['overlap', 'unaware'],
  ],
]

for (const [what, happened, expected] of wrongs) {
  test(`${what} is wrong`, () => {
    assert.deepEqual(verdictOn(happened), expected)
  })
}
