import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseOptions, UsageError } from '../../../bench/options.ts'

const refused = (message: RegExp, ...argv: string[]) =>
  assert.throws(
    () => parseOptions(argv),
    (error) => error instanceof UsageError && message.test(error.message),
  )

test('without arguments, a short run measures every target in seven rounds', () => {
  const options = parseOptions([])
  assert.deepEqual(options.experiments, ['throughput', 'fairness'])
  assert.equal(options.rounds, 7)
  assert.ok(options.targets.includes('helloserver-native'))
  assert.ok(!options.targets.includes('helloserver-watched'))
})

test('the full run has every experiment, 64 workers and 1,024 clients', () => {
  const { experiments, plan } = parseOptions(['--full'])
  assert.deepEqual(experiments, ['throughput', 'fairness', 'waiting', 'reload', 'width', 'tls'])
  assert.ok(plan.some(({ workers }) => workers === 64))
  assert.ok(plan.some(({ loads }) => loads.some(({ clients }) => clients === 1024)))
})

test('loads that are given replace the usual ones by all their combinations', () => {
  const argv = ['--workers', '1,2', '--handlers', 'echo,wait-5', '--clients', '16,16,64']
  const { plan } = parseOptions(argv)
  const named = plan.flatMap(({ workers, loads }) =>
    loads.map(({ handler, clients }) => `${workers} ${handler.name} ${clients}`),
  )
  assert.deepEqual(named, [
    '1 echo 16',
    '1 echo 64',
    '1 wait-5 16',
    '1 wait-5 64',
    '2 echo 16',
    '2 echo 64',
    '2 wait-5 16',
    '2 wait-5 64',
  ])
})

test('experiments are chosen by name', () => {
  assert.deepEqual(parseOptions(['reload', '--rounds', '3']).experiments, ['reload'])
})

test('wrong options are refused with the key and what is allowed', () => {
  refused(/--clients is '0', expected a whole number from 1 to 1024/, '--clients', '0')
  refused(/--workers is '65', expected a whole number from 1 to 64/, '--workers', '65')
  refused(/--seconds is 'x', expected a number from 0.1/, '--seconds', 'x')
  refused(/--rounds is '1.5', expected a whole number/, '--rounds', '1.5')
  refused(/--handlers names 'sleep-1', expected echo, burn-N or wait-N/, '--handlers', 'sleep-1')
  refused(/--targets names 'apache', expected helloserver-native, /, '--targets', 'apache')
  refused(/experiment 'speed', expected throughput, /, 'speed')
  refused(/--nonsense/, '--nonsense')
})
