import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { appCode } from '../../src/app/app-code.ts'
import { appFiles, changedFiles } from '../../src/dev/app-files.ts'
import { FolderWatch } from '../../src/dev/folder-watch.ts'
import { tempFolder } from './support/temp-folder.ts'

function folderWith(t: TestContext, files: Readonly<Record<string, string>>): string {
  const folder = tempFolder(t)
  for (const [path, text] of Object.entries(files)) write(folder, path, text)
  return folder
}

function write(folder: string, path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true })
  writeFileSync(join(folder, path), text)
}

/** The files and the missing paths of `app.js`, from the folder. */
function codeIn(folder: string, module = 'app.js'): { files: string[]; missing: string[] } {
  const { files, missing } = appCode(join(folder, module))
  const shown = (paths: ReadonlySet<string>) => [...paths].map((path) => relative(folder, path))
  return { files: shown(files).toSorted(), missing: shown(missing).toSorted() }
}

test('the code of an app is its module and what that imports, in every form and over several files', (t) => {
  const folder = folderWith(t, {
    'app.js': `import a from './a.js'
      import './b.mjs'
      export * from "./lib/c.js"
      const d = await import('./d.js')
      const e = require('./e')
      import data from './data.json' with { type: 'json' }
      import fs from 'node:fs'
      import pino from 'pino'
      import gone from './gone.js'`,
    'a.js': `import './a2.js?version=1'`,
    'a2.js': `import './app.js'`,
    'b.mjs': '',
    'lib/c.js': `import '../c2.js'`,
    'c2.js': '',
    'd.js': '',
    'e/index.js': `require('./f')`,
    'e/f.cjs': '',
    'data.json': '{}',
    'unused.js': '',
  })
  assert.deepEqual(codeIn(folder), {
    files: [
      'a.js',
      'a2.js',
      'app.js',
      'b.mjs',
      'c2.js',
      'd.js',
      'data.json',
      'e/f.cjs',
      'e/index.js',
      'lib/c.js',
    ],
    missing: ['gone.js'],
  })
  assert.deepEqual(codeIn(folder, 'none.js'), { files: [], missing: ['none.js'] })
})

test('a package of the same workspace is code of the project, and one that is installed is not', (t) => {
  const folder = folderWith(t, {
    'package.json': '{ "imports": { "#inner": "./inner.js" } }',
    'app.js': `import 'mine'; import 'theirs'; import '#inner'`,
    'inner.js': '',
    'packages/mine/package.json': '{ "main": "main.js" }',
    'packages/mine/main.js': '',
    'node_modules/theirs/index.js': '',
  })
  symlinkSync('../packages/mine', join(folder, 'node_modules/mine'))
  assert.deepEqual(codeIn(folder).files, ['app.js', 'inner.js', 'packages/mine/main.js'])
})

test('a path that leads through a file, and links that lead nowhere, are missing', (t) => {
  const folder = folderWith(t, {
    'app.js': `import './data.json/more.js'; import './loop.js'; import './gone.js'; import './folder'`,
    'data.json': '{}',
    'folder/other.js': '',
  })
  symlinkSync('loop.js', join(folder, 'loop.js'))
  symlinkSync('nowhere.js', join(folder, 'gone.js'))
  assert.deepEqual(codeIn(folder), {
    files: ['app.js'],
    missing: ['data.json/more.js', 'folder', 'gone.js', 'loop.js'],
  })
  assert.deepEqual(codeIn(folder, 'app.js/index.js').missing, ['app.js/index.js'])
})

test('files that come and go while they are looked at fail nothing', async (t) => {
  const folder = folderWith(t, {
    'app.js': `import './words/all.js'; import './words'`,
    'config.json': '{}',
  })
  // Another process, since these calls are synchronous here: the file is a folder, is gone, is a file, all the time.
  const rival = spawn(process.execPath, [
    '-e',
    `const fs = require('fs'); process.chdir(${JSON.stringify(folder)})
    for (;;) {
      for (const path of ['words/all.js', 'data/more.txt']) {
        fs.mkdirSync(path, { recursive: true }); fs.rmSync(path, { recursive: true })
        fs.writeFileSync(path, ''); fs.rmSync(require('path').dirname(path), { recursive: true })
      }
    }`,
  ])
  const ended = once(rival, 'exit')
  const watcher = new FolderWatch(() => {})
  try {
    const seen = { there: 0, missing: 0 }
    while (seen.there < 50 || seen.missing < 50) {
      const code = appCode(join(folder, 'app.js'))
      seen[code.missing.has(join(folder, 'words/all.js')) ? 'missing' : 'there'] += 1
      watcher.set(appFiles(join(folder, 'config.json'), code).folders)
      await setImmediate()
      assert.equal(rival.exitCode, null)
    }
  } finally {
    watcher.close()
    rival.kill('SIGKILL')
    await ended
  }
})

test('files beside the configuration count unless they are code, hidden, packages or left by editors', (t) => {
  const folder = folderWith(t, { 'app/app.js': '', 'app/config.json': '{}' })
  const look = () => appFiles(join(folder, 'app/config.json'), appCode(join(folder, 'app/app.js')))
  const before = look().contents
  for (const path of [
    'x.js',
    'x.ts',
    '.x',
    'x~',
    '.x.swp',
    '4913',
    '#x#',
    'x.log',
    'x.db-wal',
    'node_modules/x',
  ])
    write(folder, `app/${path}`, 'x')
  assert.deepEqual(changedFiles(before, look().contents), [])
  for (const path of ['x.txt', 'x.json', 'data/x']) write(folder, `app/${path}`, 'x')
  rmSync(join(folder, 'app/app.js'))
  const changed = changedFiles(before, look().contents).map((path) => relative(folder, path))
  assert.deepEqual(changed.toSorted(), ['app/app.js', 'app/data/x', 'app/x.json', 'app/x.txt'])
})

test('the folders are those of the files, and the nearest that exist of those that are gone', (t) => {
  const folder = folderWith(t, {
    'apps/one/app.js': `import '../../lib/a/b.js'`,
    'apps/one/config.json': '{}',
    'apps/one/data/x': '',
  })
  const folders = () =>
    [
      ...appFiles(join(folder, 'apps/one/config.json'), appCode(join(folder, 'apps/one/app.js')))
        .folders,
    ]
      .map((path) => relative(folder, path))
      .toSorted()
  assert.deepEqual(folders(), ['', 'apps/one', 'apps/one/data'])
  write(folder, 'lib/a/b.js', '')
  assert.deepEqual(folders(), ['apps/one', 'apps/one/data', 'lib/a'])
  renameSync(join(folder, 'apps/one'), join(folder, 'apps/two'))
  assert.deepEqual(folders(), ['apps'])
})
