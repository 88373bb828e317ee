import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CleanupStack } from '../../../src/service/cleanup-stack.ts'

function recorded() {
  const done: string[] = []
  const failures: string[][] = []
  const stack = new CleanupStack((...failure) => failures.push(failure))
  return { stack, done, failures }
}

test('resources are released in reverse order, each one once', () => {
  const { stack, done } = recorded()
  for (const name of ['lock', 'socket', 'file']) stack.push(name, () => done.push(name))
  stack.releaseAll()
  stack.releaseAll()
  assert.deepEqual(done, ['file', 'socket', 'lock'])
})

test('one that cannot be given back does not keep the others', () => {
  const { stack, done, failures } = recorded()
  stack.push('lock', () => done.push('lock'))
  stack.push('socket', () => {
    throw new Error('no such socket')
  })
  stack.releaseAll()
  assert.deepEqual(done, ['lock'])
  assert.deepEqual(failures, [['socket', 'no such socket']])
})

test('a release that ends everything again does not give anything back twice', () => {
  const { stack, done } = recorded()
  stack.push('lock', () => done.push('lock'))
  stack.push('socket', () => {
    done.push('socket')
    stack.releaseAll()
  })
  stack.releaseAll()
  assert.deepEqual(done, ['socket', 'lock'])
})
