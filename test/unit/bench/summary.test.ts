import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noFailures } from '../../../bench/load.ts'
import { median } from '../../../bench/median.ts'
import type { Sample } from '../../../bench/sample.ts'
import { ratioOf, summarize, summaryOf } from '../../../bench/summary.ts'
import { tableOf } from '../../../bench/table.ts'
import type { TargetName } from '../../../bench/targets/target.ts'

function sample(target: TargetName, round: number, rate: number | null, workers = 2): Sample {
  return { target, round, conditions: { workers }, figures: { rate }, failures: noFailures }
}

test('the median leaves out what was not measured', () => {
  assert.equal(median([3, null, 1]), 2)
  assert.equal(median([5, 1, 3]), 3)
  assert.equal(median([null]), null)
})

test('there is one summary for each target and condition, in the order of measurement', () => {
  const samples = [
    sample('pm2-cluster', 1, 10),
    sample('node-cluster', 1, 7),
    sample('pm2-cluster', 2, 30),
    sample('pm2-cluster', 1, 5, 64),
  ]
  const found = summarize(samples).map(({ target, conditions, rounds, medians }) => [
    target,
    conditions['workers'],
    rounds,
    medians['rate'],
  ])
  assert.deepEqual(found, [
    ['pm2-cluster', 2, 2, 20],
    ['node-cluster', 2, 1, 7],
    ['pm2-cluster', 64, 1, 5],
  ])
})

test('failures are added up over the rounds', () => {
  const failed = { ...sample('pm2-cluster', 2, 1), failures: { ...noFailures, reset: 2 } }
  const again = { ...failed, round: 3 }
  const [summary] = summarize([sample('pm2-cluster', 1, 1), failed, again])
  assert.deepEqual(summary?.failures, { ...noFailures, reset: 4 })
})

test('a ratio compares the samples of one round, not the medians', () => {
  // The machine was ten times slower in the second and third rounds, in which both were measured.
  const samples = [
    ...[100, 20, 4].map((rate, index) => sample('helloserver-portable', index + 1, rate)),
    ...[50, 10, 2].map((rate, index) => sample('pm2-cluster', index + 1, rate)),
  ]
  const [own, base] = summarize(samples)
  assert.ok(own)
  assert.equal(ratioOf(own, base, 'rate'), 2)
})

test('a ratio leaves out rounds without a pair, and is null when there is none', () => {
  const samples = [
    sample('helloserver-portable', 1, 3),
    sample('helloserver-portable', 2, 100),
    sample('pm2-cluster', 1, 1),
    sample('pm2-cluster', 2, null),
    sample('node-cluster', 1, 0),
  ]
  const all = summarize(samples)
  const [own] = all
  assert.ok(own)
  const ratioTo = (target: TargetName) =>
    ratioOf(own, summaryOf(all, { target, conditions: own.conditions }), 'rate')
  assert.equal(ratioTo('pm2-cluster'), 3)
  assert.equal(ratioTo('node-cluster'), null)
  assert.equal(ratioTo('c-iterative'), null)
})

test('the table has conditions, figures and ratios to a target and to another condition', () => {
  const samples = [
    sample('helloserver-portable', 1, 30, 2),
    sample('helloserver-portable', 1, 60, 64),
    { ...sample('pm2-cluster', 1, 20, 2), failures: { ...noFailures, timeout: 3 } },
  ]
  const table = tableOf(summarize(samples), [
    { head: 'rate/s', figure: 'rate', decimals: 1 },
    { figure: 'rate', vs: 'pm2-cluster' },
    { figure: 'rate', vs: { condition: 'workers', value: 2 } },
  ])
  const cells = table.split('\n').map((line) => line.split('|').map((cell) => cell.trim()))
  assert.deepEqual(
    cells.filter((_, index) => index !== 1).map((row) => row.slice(1, -1)),
    [
      ['workers', 'target', 'rate/s', 'vs pm2-cluster', 'vs 2 workers', 'failures'],
      ['2', 'helloserver-portable', '30.0', '1.50×', '1.00×', '0'],
      ['64', 'helloserver-portable', '60.0', '–', '2.00×', '0'],
      ['2', 'pm2-cluster', '20.0', '1.00×', '1.00×', '3 timeout'],
    ],
  )
})
