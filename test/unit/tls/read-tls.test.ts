import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TlsSettings } from '../../../src/config/tls-settings.ts'
import { readTls, untimely } from '../../../src/tls/read-tls.ts'
import { Authority } from '../../helpers/certificates.ts'

const authority = new Authority({ after })
const own = authority.sign('own', ['DNS:own.example'])
const other = authority.sign('other')

const files = ({ cert, key }: { cert: string; key: string }) => ({ cert, key })

const settings: TlsSettings = {
  ...files(own),
  ca: authority.ca,
  clientCert: 'require',
  minVersion: 'TLSv1.3',
  start: 'accept',
  sni: { 'Other.example': files(other) },
}

const read = (changes: Partial<TlsSettings> = {}) =>
  readTls({ ...settings, ...changes }, 'listen.0.tls')

test('the files are read, and each certificate is described', () => {
  const { material, certificates } = read()
  assert.deepEqual(material.pair, own.pem)
  assert.deepEqual(material.sni, { 'other.example': other.pem })
  assert.equal(material.clientCert, 'require')
  assert.deepEqual(
    certificates.map(({ serverName, subject }) => [serverName, subject]),
    [
      [null, 'CN=own'],
      ['other.example', 'CN=other'],
    ],
  )
  assert.deepEqual(untimely(certificates, '[::]:1'), [])
  const expiresInMs = Date.parse(certificates[0]?.expiresAt ?? '') - Date.now()
  assert.ok(expiresInMs > 86_400_000 && expiresInMs <= 2 * 86_400_000, `${expiresInMs}`)
})

test('the keys of tickets differ each time', () => {
  assert.notEqual(read().material.ticketKeys, read().material.ticketKeys)
  assert.equal(Buffer.from(read().material.ticketKeys, 'base64').length, 48)
})

test('certificates that are out of their time are named, not refused', () => {
  const old = authority.sign('old', [], -1)
  const { certificates } = read({ sni: { 'old.example': files(old) } })
  const [sentence, ...others] = untimely(certificates, '0.0.0.0:1')
  assert.match(
    sentence ?? '',
    /^The certificate of 0\.0\.0\.0:1, server name old\.example \(CN=old\) has expired on \d{4}-/,
  )
  assert.deepEqual(others, [])
  const early = untimely(certificates.slice(0, 1), '0.0.0.0:1', new Date(0))
  assert.match(early[0] ?? '', /is valid only from \d{4}-.* on$/)
})

test('each mistake is one line that names the key, and quotes nothing of a key', () => {
  const locked = join(authority.folder, 'locked.key')
  execFileSync('openssl', ['pkey', '-in', own.key, '-aes256', '-passout', 'pass:x', '-out', locked])
  const broken = join(authority.folder, 'broken.crt')
  const middle = Math.floor(own.pem.cert.length / 2)
  writeFileSync(broken, `${own.pem.cert.slice(0, middle)}*${own.pem.cert.slice(middle + 1)}`)
  const pipe = join(authority.folder, 'pipe.key')
  execFileSync('mkfifo', [pipe])
  const long = join(authority.folder, 'long.crt')
  writeFileSync(long, Buffer.alloc(4_194_305, '\n'))
  const mistakes: [Partial<TlsSettings>, RegExp][] = [
    [{ key: pipe }, /^Cannot read listen\.0\.tls\.key .*pipe\.key: it is not a regular file$/],
    [
      { cert: '/dev/zero' },
      /^Cannot read listen\.0\.tls\.cert \/dev\/zero: it is not a regular file$/,
    ],
    [
      { cert: long },
      /^Cannot read listen\.0\.tls\.cert .*long\.crt: it is longer than 4194304 bytes$/,
    ],
    [
      { cert: '/nowhere/none.crt' },
      /^Cannot read listen\.0\.tls\.cert .*none\.crt: it does not exist/,
    ],
    [{ key: '/' }, /^Cannot read listen\.0\.tls\.key \/: it is a directory/],
    [{ ca: own.key }, /^listen\.0\.tls\.ca holds no certificate in PEM$/],
    [{ cert: own.key }, /^listen\.0\.tls\.cert holds no certificate in PEM$/],
    [{ cert: broken }, /^listen\.0\.tls\.cert holds no certificate in PEM$/],
    [{ key: own.cert }, /^listen\.0\.tls\.key holds no private key in PEM$/],
    [{ key: locked }, /^listen\.0\.tls\.key holds a key with a passphrase; store it without one/],
    [
      { key: other.key },
      /^listen\.0\.tls\.key is not the key of the certificate in listen\.0\.tls\.cert$/,
    ],
    [
      { sni: { 'a.example': { ...files(own), key: other.key } } },
      /^listen\.0\.tls\.sni\.a\.example\.key is not the key/,
    ],
  ]
  const secrets = [own, other].flatMap(({ key }) =>
    readFileSync(key, 'utf8')
      .split('\n')
      .filter((line) => !line.startsWith('-') && line !== ''),
  )
  for (const [changes, message] of mistakes) {
    assert.throws(
      () => read(changes),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'BAD_CONFIG')
        assert.match(error.message, message)
        const said = `${error.stack} ${JSON.stringify(error.cause)}`
        assert.ok(!secrets.some((secret) => said.includes(secret)), 'the error has a part of a key')
        return true
      },
    )
  }
})
