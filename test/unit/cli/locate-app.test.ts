import assert from 'node:assert/strict'
import { rmdirSync } from 'node:fs'
import { test } from 'node:test'
import { locateApp } from '../../../src/cli/locate-app.ts'
import { useConfig, variables } from '../../../src/config/environment.ts'
import { configFile } from '../support/config-file.ts'
import { tempFolder } from '../support/temp-folder.ts'

test('a folder that a deploy has removed matters only where the app is to be found by it', (t) => {
  const former = process.cwd()
  const folder = tempFolder(t)
  process.chdir(folder)
  t.after(() => {
    process.chdir(former)
    delete process.env[variables.config]
  })
  rmdirSync(folder)
  const options = { name: 'test', json: false }
  assert.throws(() => locateApp(options), {
    code: 'BAD_CONFIG',
    message: 'The working directory has been removed; change to one that exists',
  })
  const path = configFile(t, '{}')
  useConfig(path)
  locateApp(options)
  assert.equal(process.env[variables.config], path)
})
