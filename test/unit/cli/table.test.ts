import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { duration, table } from '../../../src/cli/table.ts'

test('words go to the left, numbers and figures with a unit to the right', () => {
  assert.deepEqual(
    table(
      ['worker', 'state', 'memory', 'client'],
      [
        ['1', 'idle', '45 MB', '-'],
        ['12', 'busy', '7 MB', '192.0.2.1:4'],
      ],
    ),
    [
      'worker  state  memory  client',
      '     1  idle    45 MB  -',
      '    12  busy     7 MB  192.0.2.1:4',
    ],
  )
})

test('a table without rows is its headings', () => {
  assert.deepEqual(table(['worker', 'pid'], []), ['worker  pid'])
})

test('no cell is lost and no line ends in blanks', () => {
  const anyCell = fc.string({ unit: fc.constantFrom('a', '1', '.', '-'), maxLength: 8 })
  const anyRow = fc.tuple(anyCell, anyCell, anyCell)
  fc.assert(
    fc.property(fc.array(anyRow), (rows) => {
      const lines = table(['one', 'two', 'three'], rows)
      assert.equal(lines.length, rows.length + 1)
      for (const [at, row] of rows.entries()) {
        const line = lines[at + 1] ?? ''
        assert.equal(line, line.trimEnd())
        assert.deepEqual(line.split(' ').filter(Boolean), row.filter(Boolean))
      }
    }),
  )
})

for (const [ms, text] of [
  [0, '0 ms'],
  [850.4, '850 ms'],
  [999, '999 ms'],
  [1_000, '1 s'],
  [59_999, '59 s'],
  [60_000, '1 min'],
  [3_599_999, '59 min'],
  [3_600_000, '1 h'],
  [86_399_999, '23 h'],
  [86_400_000, '1 d'],
  [8_640_000_000, '100 d'],
] as const) {
  test(`${ms} milliseconds are ${text}`, () => {
    assert.equal(duration(ms), text)
  })
}

test('a duration never says more than it was, but for a rounded millisecond', () => {
  const unitMs = { ms: 1, s: 1_000, min: 60_000, h: 3_600_000, d: 86_400_000 }
  fc.assert(
    fc.property(fc.nat(), (ms) => {
      const [count, unit] = duration(ms).split(' ') as [string, keyof typeof unitMs]
      const said = Number(count) * unitMs[unit]
      assert.ok(said <= ms && ms < said + unitMs[unit])
    }),
  )
})
