import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { restoreEnvironment, throughShell } from '../../../src/config/shell-environment.ts'

test('every variable passes through a shell, whatever its name and value', () => {
  const environment = {
    PLAIN: 'a=b\nc',
    lower_case: 'x',
    'database:host': 'db "one"\n',
    'my.setting-2': '',
    'with space': 'ü',
    '2nd': '$HOME',
  }
  const print = 'process.stdout.write(JSON.stringify(process.env))'
  const args = ['-c', '"$0" "$@"; exit', process.execPath, '-e', print]
  const text = execFileSync('/bin/sh', args, { env: throughShell(environment), encoding: 'utf8' })
  const received = JSON.parse(text) as Record<string, string>
  restoreEnvironment(received)
  for (const [name, value] of Object.entries(environment)) assert.equal(received[name], value, name)
  assert.equal(received['HELLOSERVER_CARRIED'], undefined)
})

test('an environment without such names is passed as it is', () => {
  assert.deepEqual(throughShell({ A: '1', HELLOSERVER_CARRIED: '{' }), { A: '1' })
  const environment = { A: '1' }
  restoreEnvironment(environment)
  assert.deepEqual(environment, { A: '1' })
})
