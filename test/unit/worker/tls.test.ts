import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { after, type TestContext } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import type { TlsSettings } from '../../../src/config/tls-settings.ts'
import { readTls } from '../../../src/tls/read-tls.ts'
import { NodeTlsDoor } from '../../../src/worker/tls-door.ts'
import { Authority } from '../../helpers/certificates.ts'
import { waitFor, within } from '../../helpers/wait-for.ts'
import { Clock } from '../support/clock.ts'
import { connected } from '../support/connected.ts'
import { overEach } from '../support/over-each.ts'
import { received } from '../support/socket-pair.ts'

const authority = new Authority({ after })
const server = authority.sign('server', ['DNS:default.example'])
const other = authority.sign('other', ['DNS:other.example'])
const wildcard = authority.sign('wildcard', ['DNS:*.wild.example'])
const device = authority.sign('device')

const plain: TlsSettings = {
  cert: server.cert,
  key: server.key,
  ca: authority.ca,
  clientCert: 'none',
  minVersion: 'TLSv1.2',
  start: 'accept',
  sni: {
    'Other.example': { cert: other.cert, key: other.key },
    '*.wild.example': { cert: wildcard.cert, key: wildcard.key },
  },
}

const doorOf = (changes: Partial<TlsSettings> = {}) =>
  new NodeTlsDoor(readTls({ ...plain, ...changes }, 'tls').material)

/** A connection through a door, and the client's end of it. */
async function withTls(t: TestContext, changes: Partial<TlsSettings> = {}) {
  return connected(t, {}, { door: doorOf(changes) })
}

/** A client that has agreed on TLS. */
async function secured(client: Socket, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const secure = connect({ socket: client, rejectUnauthorized: false, ...options })
  secure.on('error', () => {})
  await within('a handshake', once(secure, 'secureConnect'))
  return secure
}

const subject = (secure: TLSSocket) => secure.getPeerX509Certificate()?.subject

overEach('TLS that begins with the connection says what was agreed on', async (t) => {
  const { connection, client } = await withTls(t)
  assert.equal(connection.tls === undefined, true)
  const [, secure] = await Promise.all([
    connection.startTls(),
    secured(client, { servername: 'a.example' }),
  ])
  assert.equal(connection.tls?.protocol, 'TLSv1.3')
  assert.match(connection.tls?.cipher ?? '', /^TLS_/)
  assert.equal(connection.tls?.serverName, 'a.example')
  assert.equal(connection.tls?.peerCertificate, undefined)
  assert.equal(connection.tls?.isVerified, false)
  secure.write('hello\r\n')
  assert.equal(String(await connection.readLine()), 'hello\r\n')
  await connection.write(['good', 'bye\r\n'])
  const [bytes] = (await within('the answer', once(secure, 'data'))) as [Buffer]
  assert.equal(bytes.toString(), 'goodbye\r\n')
})

overEach('the client may end its side and still be answered', async (t) => {
  const { connection, client } = await withTls(t)
  const [, secure] = await Promise.all([connection.startTls(), secured(client)])
  secure.end('last words')
  assert.equal(String(await connection.readLine()), 'last words')
  assert.equal(await connection.readLine(), null)
  const answer = received(secure)
  await connection.write('heard')
  connection.conclude()
  assert.equal(String(await answer), 'heard')
})

overEach('a protocol may begin in the clear', async (t) => {
  const { connection, client } = await withTls(t)
  client.write('STARTTLS\r\n')
  assert.equal(String(await connection.readLine()), 'STARTTLS\r\n')
  void connection.write('go\r\n')
  const begun = connection.startTls()
  const [go] = (await once(client, 'data')) as [Buffer]
  assert.equal(go.toString(), 'go\r\n')
  const secure = await secured(client)
  await begun
  secure.write('secret\r\n')
  assert.equal(String(await connection.readLine()), 'secret\r\n')
  assert.equal(connection.tls?.protocol, 'TLSv1.3')
  assert.deepEqual(connection.traffic, { bytesIn: 18, bytesOut: 4 }, 'TLS itself does not count')
})

overEach('TLS may begin with bytes that were only looked at', async (t) => {
  const { connection, client } = await withTls(t)
  const secure = secured(client)
  const first = await connection.peek(1)
  assert.equal(first?.[0], 0x16)
  await Promise.all([connection.startTls(), secure])
  assert.equal(connection.tls?.protocol, 'TLSv1.3')
})

overEach('what was sent in the clear never passes for a part of TLS', async (t) => {
  const { connection, client } = await withTls(t)
  client.write('STARTTLS\r\nDELETE everything\r\n')
  await connection.readLine()
  await assert.rejects(connection.startTls(), { code: 'TLS_FAILED' })
  await assert.rejects(connection.readLine(), { code: 'TLS_FAILED' })
})

overEach('a client that leaves between its words in the clear and TLS has failed', async (t) => {
  const { connection, client } = await withTls(t)
  client.write('STARTTLS\r\n')
  await connection.readLine()
  const failed = assert.rejects(connection.startTls(), { code: 'TLS_FAILED' })
  client.destroy()
  await failed
})

overEach('each server name has its certificate, and any other name the default one', async (t) => {
  const expected = {
    'other.example': 'CN=other',
    'OTHER.example': 'CN=other',
    'a.wild.example': 'CN=wildcard',
    'a.b.wild.example': 'CN=server',
    'wild.example': 'CN=server',
    'unknown.example': 'CN=server',
  }
  for (const [servername, name] of Object.entries(expected)) {
    const { connection, client } = await withTls(t)
    const [, secure] = await Promise.all([connection.startTls(), secured(client, { servername })])
    assert.equal(subject(secure), name, servername)
  }
})

overEach("a client's certificate may be asked for, or required", async (t) => {
  const stranger = new Authority(t, 'Somebody else').sign('stranger')
  const peerFor = async (clientCert: TlsSettings['clientCert'], options: ConnectionOptions) => {
    const { connection, client } = await withTls(t, { clientCert })
    const [begun] = await Promise.allSettled([connection.startTls(), secured(client, options)])
    if (begun.status === 'rejected') throw begun.reason
    const { peerCertificate, isVerified } = connection.tls ?? {}
    return { subject: peerCertificate?.subject, isVerified }
  }
  const verified = { subject: 'CN=device', isVerified: true }
  assert.deepEqual(await peerFor('require', device.pem), verified)
  assert.deepEqual(await peerFor('request', device.pem), verified)
  assert.deepEqual(await peerFor('request', stranger.pem), {
    subject: 'CN=stranger',
    isVerified: false,
  })
  assert.deepEqual(await peerFor('request', {}), { subject: undefined, isVerified: false })
  assert.deepEqual(await peerFor('none', device.pem), { subject: undefined, isVerified: false })
  await assert.rejects(peerFor('require', {}), {
    code: 'TLS_FAILED',
    message: /did not return a certificate/,
  })
  await assert.rejects(peerFor('require', stranger.pem), {
    code: 'TLS_FAILED',
    message: /certificate is refused: UNABLE_TO_VERIFY_LEAF_SIGNATURE/,
  })
})

overEach('a version of TLS that is too old fails', async (t) => {
  const { connection, client } = await withTls(t, { minVersion: 'TLSv1.3' })
  const secure = connect({ socket: client, rejectUnauthorized: false, maxVersion: 'TLSv1.2' })
  secure.on('error', () => {})
  await assert.rejects(connection.startTls(), {
    code: 'TLS_FAILED',
    message: /unsupported protocol/,
  })
})

overEach('a session is resumed with another worker that has the same keys', async (t) => {
  const { material } = readTls(plain, 'tls')
  const first = await connected(t, {}, { door: new NodeTlsDoor(material) })
  const [, one] = await Promise.all([first.connection.startTls(), secured(first.client)])
  const [session] = (await within('a ticket', once(one, 'session'))) as [Buffer]
  const second = await connected(t, {}, { door: new NodeTlsDoor(material) })
  const [, two] = await Promise.all([
    second.connection.startTls(),
    secured(second.client, { session }),
  ])
  assert.equal(two.isSessionReused(), true)
})

overEach('a handshake that takes too long fails with its own reason', async (t) => {
  const clock = new Clock(t)
  const { connection, client } = await connected(t, { handshakeTimeoutMs: 500 }, { door: doorOf() })
  client.write(Buffer.from('1603010200', 'hex'))
  const begun = assert.rejects(connection.startTls(), {
    code: 'TLS_TIMEOUT',
    message: 'The TLS handshake took longer than 500 ms',
  })
  await new Promise(setImmediate)
  clock.advance(500)
  await begun
  await assert.rejects(connection.flush(), { code: 'TLS_TIMEOUT' })
})

overEach(
  'a client that leaves without a byte is gone, one that leaves in between has failed',
  async (t) => {
    for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
      const silent = await withTls(t)
      const gone = assert.rejects(silent.connection.startTls(), { code: 'CLIENT_GONE' })
      silent.client[leave]()
      await gone
      assert.equal(silent.connection.isUntouched, true)
      const cut = await withTls(t)
      cut.client.write(Buffer.from('1603010200', 'hex'))
      const failed = assert.rejects(cut.connection.startTls(), { code: 'TLS_FAILED' })
      await waitFor('the bytes', () => cut.connection.traffic.bytesIn > 0)
      cut.client[leave]()
      await failed
    }
  },
)

overEach(
  'a connection that ends during the handshake leaves the door free for the next',
  async (t) => {
    const door = doorOf()
    const first = await connected(t, {}, { door })
    first.client.write(Buffer.from('1603010200', 'hex'))
    const begun = assert.rejects(first.connection.startTls(), { code: 'TERMINATED' })
    const second = await connected(t, {}, { door })
    const next = second.connection.startTls()
    first.connection.end('TERMINATED', 'The service was told to stop at once')
    await begun
    await Promise.all([next, secured(second.client)])
    assert.equal(second.connection.tls?.protocol, 'TLSv1.3')
  },
)

overEach('TLS begins once, and only where there is a certificate', async (t) => {
  const without = await connected(t)
  await assert.rejects(without.connection.startTls(), /no certificate/)
  const { connection, client } = await withTls(t)
  const pending = connection.read()
  await assert.rejects(connection.startTls(), /Another read/)
  client.write('x')
  await pending
  const begun = connection.startTls()
  await assert.rejects(connection.startTls(), /TLS begins/)
  await assert.rejects(connection.write('in the clear'), /TLS begins/)
  await assert.rejects(connection.read(), /TLS begins/)
  assert.throws(() => connection.stream(), /TLS begins/)
  await Promise.all([begun, secured(client)])
  await assert.rejects(connection.startTls(), /TLS already/)
})
