import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, truncateSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type NativeModule, tryOut } from '../../../src/native/native.ts'
import { nativeTest } from '../support/native-test.ts'
import { tempFolder } from '../support/temp-folder.ts'

const built = fileURLToPath(new URL('../../../src/native/helloserver.node', import.meta.url))

nativeTest('a module that was loaded does not need its file', (t) => {
  const path = join(tempFolder(t), 'copied.node')
  copyFileSync(built, path)
  const module = createRequire(import.meta.url)(path) as NativeModule
  // Checked before the file is cut short, which would end this process.
  assert.doesNotMatch(readFileSync('/proc/self/maps', 'utf8'), /copied\.node/)
  truncateSync(path)
  assert.equal(tryOut(module), undefined)
})
