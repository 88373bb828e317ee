import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from '../../../src/config/load.ts'
import { appsFolderOf } from '../../../src/config/project.ts'
import { readText } from '../../../src/files/read-text.ts'
import { load } from '../support/config-file.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('a file that would hold up its reader, or never end, is refused at once', (t) => {
  const folder = tempFolder(t)
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', ['-m', '600', pipe])
  assert.throws(() => readText(pipe), /^Error: it is not a regular file$/)
  assert.throws(() => readText('/dev/zero'), /^Error: it is not a regular file$/)
  const long = join(folder, 'long')
  writeFileSync(long, Buffer.alloc(4_194_305, '\n'))
  assert.throws(() => readText(long), /^Error: it is longer than 4194304 bytes$/)
  assert.throws(() => readText(folder), { code: 'EISDIR' })
  assert.throws(() => readText(join(folder, 'none')), { code: 'ENOENT' })
  writeFileSync(long, 'text\n')
  assert.equal(readText(long), 'text\n')
})

test('so is a configuration, a token and a package.json of that kind', (t) => {
  const folder = tempFolder(t)
  const pipe = join(folder, 'package.json')
  execFileSync('mkfifo', ['-m', '600', pipe])
  assert.throws(
    () => loadConfig('test', { HELLOSERVER_CONFIG: pipe }),
    /^HelloserverError: Cannot read the configuration file .*package\.json: it is not a regular file$/,
  )
  assert.throws(
    () => load(t, { admin: { http: true, tokenFile: pipe } }),
    /admin\.tokenFile ".*package\.json" cannot be read: it is not a regular file$/,
  )
  mkdirSync(join(folder, 'apps'))
  assert.throws(
    () => appsFolderOf(join(folder, 'apps')),
    /^HelloserverError: Cannot read .*package\.json: it is not a regular file$/,
  )
})
