import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { appModuleIn, stripsTypes } from '../../../src/config/app-module.ts'
import { projectFolder } from '../support/project-folder.ts'

for (const file of ['app.js', 'app.mjs', 'app.cjs']) {
  test(`${file} is an app`, (t) => {
    const folder = projectFolder(t, { [file]: '', 'app.test.js': '', 'app.d.ts': '' })
    assert.equal(appModuleIn(folder, undefined), join(folder, file))
  })
}

for (const file of ['app.ts', 'app.mts', 'app.cts']) {
  test(`${file} is an app where Node.js runs it, and otherwise refused with a remedy`, (t) => {
    const folder = projectFolder(t, { [file]: '' })
    if (stripsTypes()) assert.equal(appModuleIn(folder, undefined), join(folder, file))
    else {
      assert.throws(() => appModuleIn(folder, undefined), {
        code: 'BAD_CONFIG',
        message: `Node.js ${process.versions.node} cannot run ${folder}/${file} as it is; use Node.js 22.18 or newer, or compile it and name the compiled file as "main" in the configuration`,
      })
    }
  })
}

test('a folder without an app is refused', (t) => {
  const folder = projectFolder(t, { 'index.js': '' })
  assert.throws(() => appModuleIn(folder, undefined), {
    code: 'BAD_CONFIG',
    message: `The folder ${folder} has no app.ts, app.js, app.mjs or app.cjs; "main" in its configuration can name another file`,
  })
  assert.throws(() => appModuleIn(join(folder, 'none'), undefined), {
    code: 'BAD_CONFIG',
    message: `Cannot look for the app in ${folder}/none: it does not exist (ENOENT)`,
  })
})

test('two app files are refused, unless the configuration names one', (t) => {
  const folder = projectFolder(t, { 'app.js': '', 'app.ts': '' })
  assert.throws(() => appModuleIn(folder, undefined), {
    code: 'BAD_CONFIG',
    message: `The folder ${folder} has app.js and app.ts; remove one, or name the one to run as "main" in the configuration`,
  })
  assert.equal(appModuleIn(folder, 'app.js'), join(folder, 'app.js'))
})

test('"main" names the app anywhere, and must be a file', (t) => {
  const root = projectFolder(t, { 'apps/x/app.ts': '', 'build/out/x.js': '' })
  const folder = join(root, 'apps/x')
  assert.equal(appModuleIn(folder, '../../build/out/x.js'), join(root, 'build/out/x.js'))
  const refuses = (main: string, problem: string) =>
    assert.throws(() => appModuleIn(folder, main), {
      code: 'BAD_CONFIG',
      message: `The app ${join(folder, main)}, which "main" in the configuration in ${folder} names, ${problem}`,
    })
  refuses('../../build/out/y.js', 'does not exist; is it built?')
  refuses('app.ts/x.js', 'does not exist; is it built?')
  refuses('../../build', 'is not a file')
})
