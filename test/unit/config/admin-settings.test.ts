import assert from 'node:assert/strict'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { adminSettings } from '../../../src/config/admin-settings.ts'
import { endpointText } from '../../../src/endpoint.ts'
import { load } from '../support/config-file.ts'
import { tempFolder } from '../support/temp-folder.ts'

const token = 'correct-horse-battery'

/** A file with a token. */
function tokenFile(t: TestContext, text = `${token}\n`, mode = 0o600): string {
  const path = join(tempFolder(t), 'token')
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

function settings(t: TestContext, admin: object) {
  const config = load(t, { admin })
  return adminSettings(config.admin, config.directory)
}

test('the page is off unless it is asked for', (t) => {
  assert.equal(settings(t, {}), undefined)
  assert.equal(settings(t, { http: false, tokenFile: '/nowhere' }), undefined)
})

for (const [http, authority] of [
  [true, '127.0.0.1:30154'],
  [8080, '127.0.0.1:8080'],
  ['127.0.0.3:1', '127.0.0.3:1'],
  ['localhost:8080', 'localhost:8080'],
  ['[::1]:65535', '[::1]:65535'],
] as const) {
  test(`${JSON.stringify(http)} is ${authority}, for programs of this host alone`, (t) => {
    const found = settings(t, { http })
    assert.equal(found && endpointText(found.address), authority)
    assert.equal(found?.isLoopback, true)
    assert.equal(found?.token, undefined)
  })
}

for (const http of [
  '0.0.0.0:8080',
  '[::]:8080',
  '192.0.2.1:8080',
  'web1:8080',
  '[::ffff:192.0.2.1]:80',
]) {
  test(`${http} takes a token`, (t) => {
    assert.throws(() => settings(t, { http }), /other hosts can reach; set admin.tokenFile/)
    const found = settings(t, { http, tokenFile: tokenFile(t) })
    assert.deepEqual([found?.isLoopback, found?.token], [false, token])
  })
}

test("the page cannot have the service's own port", (t) => {
  assert.throws(() => load(t, { port: 30_154, admin: { http: true } }), {
    code: 'BAD_CONFIG',
    message: /admin\.http and the service both have port 30154; give the page a port of its own$/,
  })
})

test('the token is not in the configuration, which workers are given', (t) => {
  const config = load(t, { admin: { http: true, tokenFile: tokenFile(t) } })
  assert.ok(!JSON.stringify(config).includes(token))
})

for (const [what, problem, text, mode] of [
  ['others may read', /can be read by every user; run "chmod 600/, token, 0o604],
  ['is too short', /16 to 512 printable characters/, 'short', 0o600],
  ['is empty', /16 to 512 printable characters/, '', 0o600],
  ['has a space', /without spaces/, 'correct horse battery', 0o600],
] as const) {
  test(`a token that ${what} is refused`, (t) => {
    const path = tokenFile(t, text, mode)
    assert.throws(() => settings(t, { http: true, tokenFile: path }), problem)
  })
}

test('a token that cannot be read is refused, with its file', (t) => {
  const refusal = /tokenFile ".*gone" cannot be read: ENOENT/
  assert.throws(() => settings(t, { http: true, tokenFile: 'gone' }), refusal)
})
