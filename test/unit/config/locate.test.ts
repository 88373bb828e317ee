import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { appModuleIn, packageRootOf } from '../../../src/config/locate.ts'
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

test('an app is beside its configuration, else where the build puts it', (t) => {
  const root = tempFolder(t)
  const app = join(root, 'apps', 'x')
  const built = join(root, 'dist', 'apps', 'x')
  for (const folder of [app, built]) mkdirSync(folder, { recursive: true })
  writeFileSync(join(root, 'package.json'), '{}')
  writeFileSync(join(built, 'app.js'), '')
  assert.equal(appModuleIn(app), join(built, 'app.js'))
  writeFileSync(join(app, 'app.js'), '')
  assert.equal(appModuleIn(app), join(app, 'app.js'))
})

test('an app that is not built is told apart from one that is not there', (t) => {
  const folder = tempFolder(t)
  assert.throws(() => appModuleIn(folder), {
    code: 'BAD_CONFIG',
    message: `The folder ${folder} has no app.ts or app.js`,
  })
  writeFileSync(join(folder, 'app.ts'), '')
  assert.throws(() => appModuleIn(folder), {
    code: 'BAD_CONFIG',
    message: `The app in ${folder} is not built; run "npm run build"`,
  })
})
