import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { packageRootOf } from '../../../src/config/locate.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('a package begins at the nearest package.json upwards', (t) => {
  const root = tempFolder(t)
  const inner = join(root, 'a', 'b')
  mkdirSync(inner, { recursive: true })
  writeFileSync(join(root, 'package.json'), '{}')
  assert.equal(packageRootOf(inner), root)
  writeFileSync(join(root, 'a', 'package.json'), '{}')
  assert.equal(packageRootOf(inner), join(root, 'a'))
})
