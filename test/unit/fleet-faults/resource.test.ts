import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Journal } from '../../fleet-faults/journal.ts'
import { Fence } from '../../fleet-faults/resource/fence.ts'
import { lineOf, readWrite } from '../../fleet-faults/resource/write.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('the resource refuses whoever has an older token than it has seen', () => {
  const fence = new Fence()
  const admitted = [3, 3, 5, 4, 5, 6].map((token) => fence.admits(token))
  assert.deepEqual(admitted, [true, true, true, false, true, true])
})

test('a write is read as it was sent', () => {
  const write = { contender: 'a', token: 1_795_457_358_765, sentMs: 23_967_853.208039 }
  assert.deepEqual(readWrite(lineOf(write).trimEnd()), write)
})

test('a journal gives each entry once, and none before it is whole', (t) => {
  const file = join(tempFolder(t), 'journal')
  const journal = new Journal<number>(file)
  assert.deepEqual(journal.read(), [])
  journal.write(1, 2)
  appendFileSync(file, '3')
  assert.deepEqual(journal.read(), [1, 2])
  assert.deepEqual(journal.read(), [])
  appendFileSync(file, '4\n')
  assert.deepEqual(journal.read(), [34])
})
