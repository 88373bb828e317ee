import assert from 'node:assert/strict'
import { posix } from 'node:path'
import { test } from 'node:test'
import { readAssets } from '../../../src/admin/assets.ts'

test('whatever the code of the page imports is served, too', () => {
  const assets = readAssets()
  let imports = 0
  for (const [path, { type, content }] of assets) {
    if (!type.startsWith('text/javascript')) continue
    for (const [, target = ''] of content.toString().matchAll(/^import .*?'([^']+)';?$/gm)) {
      imports += 1
      // Where the browser asks for it: it cannot go above the root.
      const asked = posix.join('/', target)
      assert.ok(assets.has(asked), `${path} imports ${target}, and nothing is served at ${asked}`)
    }
  }
  assert.ok(imports > 10)
})
