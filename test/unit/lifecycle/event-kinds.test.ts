import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { eventTable } from '../../../src/lifecycle/event-kinds.ts'

// Tests run from `dist`, one folder below the root.
const documentation = new URL('../../../../docs/operations.md', import.meta.url)

test('every kind of event is in the documentation, and no other', () => {
  const [, section = ''] = readFileSync(documentation, 'utf8').split('\n## Events\n')
  const [table = ''] = section.split('\n## ')
  const told = Array.from(table.matchAll(/^\| `([\w-]+)`/gm), ([, kind]) => kind)
  assert.deepEqual(new Set(told), new Set(Object.keys(eventTable)))
})
