import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withNodeArguments } from '../../../src/pm2/node-arguments.ts'

const optionsOf = (given: readonly string[], NODE_OPTIONS?: string) =>
  withNodeArguments(NODE_OPTIONS === undefined ? {} : { NODE_OPTIONS }, given, '/srv/app')
    .environment['NODE_OPTIONS']

test("Node's arguments become options, after those that there are", () => {
  assert.equal(optionsOf(['--max-old-space-size=99']), '--max-old-space-size=99')
  assert.equal(optionsOf(['--no-warnings'], '--no-deprecation'), '--no-deprecation --no-warnings')
  assert.equal(optionsOf([], '--no-deprecation'), '--no-deprecation')
  assert.equal(optionsOf([]), undefined)
})

test('relative paths are those of the entry, and spaces survive', () => {
  assert.equal(optionsOf(['--require', './a.cjs']), '--require /srv/app/a.cjs')
  assert.equal(optionsOf(['--require=../a b.cjs']), '"--require=/srv/a b.cjs"')
  assert.equal(optionsOf(['--title=a"b\\']), String.raw`"--title=a\"b\\"`)
})

test('arguments that cannot be options are a problem, by name', () => {
  const { problem, environment } = withNodeArguments({ A: '1' }, [
    '--no-warnings',
    '--allow-natives-syntax',
  ])
  assert.match(problem?.message ?? '', /node_args has "--allow-natives-syntax"/)
  assert.equal(problem?.code, 'BAD_CONFIG')
  assert.deepEqual(environment, { A: '1' })
})
