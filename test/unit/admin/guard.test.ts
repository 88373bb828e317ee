import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Access, refusalOf } from '../../../src/admin/guard.ts'
import type { AdminSettings } from '../../../src/config/admin-settings.ts'

const token = 'correct-horse-battery'
const local: AdminSettings = {
  address: { host: '127.0.0.1', port: 30_154 },
  isLoopback: true,
  hosts: ['status.example'],
  token,
}
const wide: AdminSettings = {
  ...local,
  address: { host: '0.0.0.0', port: 30_154 },
  isLoopback: false,
}
const bearer = { authorization: `Bearer ${token}` }
const own = { host: '127.0.0.1:30154' }

/** How a request is judged: undefined when it is answered. */
function judge(
  access: Access,
  headers: Readonly<Record<string, string>>,
  settings = local,
  localAddress = '127.0.0.1',
) {
  return refusalOf({ access, headers, localAddress }, settings)?.status
}

for (const host of [
  '127.0.0.1:30154',
  '127.0.0.1',
  'localhost:30154',
  // A port that somebody forwards by ssh.
  'LOCALHOST:8080',
  'localhost.:30154',
  '[::1]:30154',
  'status.example',
  'status.example:443',
]) {
  test(`the host "${host}" is this service's`, () => {
    assert.equal(judge('read', { host }), undefined)
  })
}

for (const host of [
  'evil.example',
  'evil.example:30154',
  'localhost.evil.example',
  '127.0.0.1.evil.example',
  'evil.example@127.0.0.1',
  'xlocalhost',
  '192.0.2.7',
  '[::2]',
  '[localhost]',
  'localhost:30154:1',
  '',
]) {
  test(`the host "${host}" is not, and nobody but a probe may name it`, () => {
    for (const access of ['page', 'read', 'act'] as const) {
      assert.equal(judge(access, { host, ...bearer }), 421)
    }
    assert.equal(judge('probe', { host }), undefined)
  })
}

test('a probe that names no host is no browser', () => {
  assert.equal(judge('probe', {}), undefined)
})

test('the address that a request came to is its host, too, where others can reach it', () => {
  const asked = { host: '192.0.2.7:30154', ...bearer }
  assert.equal(judge('read', asked, wide, '::ffff:192.0.2.7'), undefined)
  assert.equal(judge('read', asked, wide, '192.0.2.8'), 421)
})

for (const origin of [
  'http://evil.example',
  'http://localhost:8080',
  'http://127.0.0.1:30155',
  'null',
  '',
  'https://127.0.0.1',
]) {
  test(`the origin "${origin}" is another site`, () => {
    for (const access of ['page', 'probe', 'read', 'act'] as const) {
      assert.equal(judge(access, { ...own, ...bearer, origin }), 403)
    }
  })
}

test('its own origin may do all, by itself or behind a proxy that does TLS', () => {
  for (const scheme of ['http', 'https']) {
    const origin = `${scheme}://127.0.0.1:30154`
    assert.equal(judge('act', { ...own, ...bearer, origin }), undefined)
  }
})

test('a request from another site is refused, but a link to the page may be followed', () => {
  for (const site of ['cross-site', 'same-site', 'anything']) {
    const foreign = { ...own, ...bearer, 'sec-fetch-site': site }
    const visit = { ...foreign, 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' }
    const frame = { ...visit, 'sec-fetch-dest': 'iframe' }
    assert.equal(judge('page', visit), undefined)
    for (const headers of [foreign, frame]) assert.equal(judge('page', headers), 403)
    for (const access of ['probe', 'read', 'act'] as const) assert.equal(judge(access, visit), 403)
  }
  for (const site of ['same-origin', 'none']) {
    assert.equal(judge('read', { ...own, 'sec-fetch-site': site }), undefined)
  }
})

test('acting takes the token, reading only where others can reach it', () => {
  for (const authorization of [
    '',
    'Bearer',
    `Basic ${token}`,
    'Bearer wrong',
    `Bearer ${token}x`,
  ]) {
    const headers = { ...own, authorization }
    assert.equal(judge('act', headers), 401)
    assert.equal(judge('read', headers), undefined)
    assert.equal(judge('read', headers, wide), 401)
    assert.equal(judge('probe', headers, wide), undefined)
    assert.equal(judge('page', headers, wide), undefined)
  }
  assert.equal(judge('act', { ...own, ...bearer }), undefined)
  assert.equal(judge('read', { ...own, ...bearer }, wide), undefined)
})

test('without a token nobody may act, whatever they say', () => {
  const none = { ...local, token: undefined }
  for (const authorization of ['', 'Bearer undefined', 'Bearer ']) {
    assert.equal(judge('act', { ...own, authorization }, none), 403)
  }
})
