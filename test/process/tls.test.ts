import assert from 'node:assert/strict'
import { once } from 'node:events'
import { copyFileSync, readFileSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { Authority } from '../helpers/certificates.ts'
import { Client } from '../helpers/client.ts'
import { reload, tryReload, upgrade } from '../helpers/commands.ts'
import { sClient } from '../helpers/openssl-client.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { Sandbox } from '../helpers/sandbox.ts'
import { counted, startIn, workerPids } from '../helpers/service.ts'
import { type Garbage, GarbageMaker } from '../helpers/tls-garbage.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** Says what it knows of TLS, then echoes lines; "start" begins TLS, "die" ends the worker. */
const app = `
export default {
  async handle(connection) {
    for await (const line of connection) {
      const text = String(line).trim()
      if (text === 'die') process.exit(1)
      if (text === 'start') {
        await connection.write('go\\r\\n')
        await connection.startTls()
        continue
      }
      const { protocol, serverName, isVerified, peerCertificate } = connection.tls ?? {}
      await connection.write(JSON.stringify({ text, protocol, serverName, isVerified, peer: peerCertificate?.subject }) + '\\r\\n')
      if (text === 'bye') return
    }
  },
}
`

/** A service with TLS on one endpoint, client certificates on a second, and STARTTLS on a third. */
async function startWithTls(t: TestContext) {
  const authority = new Authority(t)
  const certificate = authority.sign('server', ['DNS:server.example'])
  const other = authority.sign('other', ['DNS:other.example'])
  const device = authority.sign('device')
  const sandbox = new Sandbox(t, { app, allow: [/"msg":"Reload failed/] })
  const current = {
    cert: join(authority.folder, 'now.crt'),
    key: join(authority.folder, 'now.key'),
  }
  const use = ({ cert, key }: { cert: string; key: string }) => {
    copyFileSync(cert, current.cert)
    copyFileSync(key, current.key)
  }
  use(certificate)
  const sni = { 'other.example': { cert: other.cert, key: other.key } }
  sandbox.configure({
    host: undefined,
    port: undefined,
    log: { access: true },
    connection: { handshakeTimeoutMs: 300, readTimeoutMs: 20_000 },
    listen: [
      { address: '127.0.0.1:0', tls: { ...current, sni } },
      { address: '127.0.0.2:0', tls: { ...current, ca: authority.ca, clientCert: 'require' } },
      { address: '127.0.0.3:0', tls: { ...current, start: 'handler' } },
    ],
  })
  const service = await startIn(sandbox)
  const { endpoints = [] } = await service.status()
  const ports = endpoints.map((text) => Number(text.split(':')[1]))
  return { authority, other, device, service, sandbox, use, ports, current }
}

const answerIn = (output: string) =>
  JSON.parse(output.split('\r\n').find((line) => line.startsWith('{')) ?? '{}') as Record<
    string,
    unknown
  >

test('TLS with the real openssl, reloads, upgrades and workers that die', async (t) => {
  const { authority, other, device, service, sandbox, use, ports, current } = await startWithTls(t)
  const [port = 0, demanding = 0, later = 0] = ports
  const trusting = ['-CAfile', authority.ca, '-verify_return_error']

  await t.test('both versions are spoken, and the server name has its certificate', async () => {
    const plain = await sClient(
      `127.0.0.1:${port}`,
      'bye\r\n',
      ...trusting,
      '-verify_hostname',
      'server.example',
    )
    assert.equal(plain.status, 0, plain.stderr)
    assert.equal(answerIn(plain.stdout)['protocol'], 'TLSv1.3')
    const named = ['-servername', 'other.example', '-verify_hostname', 'other.example', '-tls1_2']
    const second = await sClient(`127.0.0.1:${port}`, 'bye\r\n', ...trusting, ...named)
    assert.equal(second.status, 0, second.stderr)
    const { protocol, serverName } = answerIn(second.stdout)
    assert.deepEqual([protocol, serverName], ['TLSv1.2', 'other.example'])
  })

  await t.test(
    'a client without the certificate that is required does not reach the app',
    async () => {
      const at = `127.0.0.2:${demanding}`
      const without = await sClient(at, 'bye\r\n', ...trusting)
      assert.equal(without.stdout.includes('{'), false)
      const mine = ['-cert', device.cert, '-key', device.key]
      const allowed = await sClient(at, 'bye\r\n', ...trusting, ...mine)
      const { peer, isVerified } = answerIn(allowed.stdout)
      assert.deepEqual([peer, isVerified], ['CN=device', true])
      await sandbox.logged(/"reason":"tls-failed"/)
    },
  )

  await t.test('a handler may begin TLS itself', async () => {
    const clear = connectPlain({ host: '127.0.0.3', port: later })
    clear.write('start\r\n')
    const [go] = (await within('the go-ahead', once(clear, 'data'))) as [Buffer]
    assert.equal(go.toString(), 'go\r\n')
    const secure = connect({ socket: clear, rejectUnauthorized: false })
    secure.write('bye\r\n')
    const answer = await received(secure)
    assert.equal(answerIn(answer)['protocol'], 'TLSv1.3')
  })

  await t.test(
    'garbage, silence and a client that leaves are counted, each for itself',
    async () => {
      const before = (await service.status()).connections
      const garbage = await Client.connect(port)
      await garbage.send('GET / HTTP/1.0\r\n\r\n')
      await garbage.ending()
      const silent = await Client.connect(port)
      await silent.send(Buffer.from('16', 'hex'))
      await silent.ending()
      const gone = await Client.connect(port)
      gone.halfClose()
      await counted(service, { failed: before.failed + 2, gone: before.gone + 1 })
      await sandbox.logged(/"reason":"tls-timeout"/)
    },
  )

  await t.test('garbage of every kind is counted, and hinders no good client', async (t2) => {
    const seed = chooseSeed()
    t2.diagnostic(`seed ${seed}`)
    const maker = new GarbageMaker(randomFrom(seed))
    const before = (await service.status()).connections
    for (let batch = 0; batch < 15; batch += 1) {
      // A worker waits for what says nothing more, which is tested above.
      const garbage = Array.from({ length: 20 }, () => maker.next())
      await Promise.all(garbage.map((one) => send(port, one)))
    }
    const ended = await waitFor('all of them', async () => {
      const { connections } = await service.status()
      const count = connections.failed + connections.gone - before.failed - before.gone
      return count === 300 ? connections : undefined
    })
    const { accepted, ...states } = ended
    assert.equal(
      Object.values(states).reduce((sum, count) => sum + count, 0),
      accepted,
    )
    assert.equal(ended.served, before.served)
    const good = await open(port)
    good.write('bye\r\n')
    assert.equal(answerIn(await received(good))['protocol'], 'TLSv1.3')
  })

  await t.test('a reload brings the new certificate, and a bad one changes nothing', async () => {
    const old = await open(port)
    use(other)
    await reload(service)
    const fresh = await open(port)
    assert.equal(fresh.getPeerX509Certificate()?.subject, 'CN=other')
    old.write('bye\r\n')
    assert.equal(answerIn(await received(old))['protocol'], 'TLSv1.3')
    copyFileSync(device.key, current.key)
    const { outcome, reason } = await tryReload(service)
    assert.equal(outcome, 'failed')
    assert.match(
      reason ?? '',
      /listen\.0\.tls\.key is not the key of the certificate in listen\.0\.tls\.cert/,
    )
    const check = await service.cli('check')
    assert.equal(check.status, 78)
    assert.match(check.stderr, /listen\.0\.tls\.key is not the key/)
    fresh.write('bye\r\n')
    await received(fresh)
    // A worker that is started anew still has the certificate that is in use.
    const [before] = await workerPids(service)
    const dying = await open(port)
    dying.write('die\r\n')
    await waitFor('another worker', async () => (await workerPids(service))[0] !== before)
    const next = await open(port)
    assert.equal(next.getPeerX509Certificate()?.subject, 'CN=other')
    next.write('bye\r\n')
    await received(next)
  })

  await t.test('the status and the metrics have the certificates and the failures', async () => {
    const { certificates = [] } = await service.status()
    const [first] = certificates
    assert.deepEqual([first?.subject, certificates.length], ['CN=other', 4])
    const days = (Date.parse(first?.expiresAt ?? '') - Date.now()) / 86_400_000
    assert.ok(days > 1 && days <= 2, `${days}`)
  })

  await t.test('a successor goes on with the keys, even if it may not read them', async () => {
    use(other)
    await upgrade(service)
    const next = await open(port)
    assert.equal(next.getPeerX509Certificate()?.subject, 'CN=other')
    next.write('bye\r\n')
    await received(next)
  })

  await t.test('no key is in the log, the status or the run directory', async () => {
    const secret = readFileSync(other.key, 'utf8').split('\n')[1] ?? ''
    assert.ok(secret.length > 20)
    assert.equal(sandbox.log().includes(secret), false)
    assert.equal(JSON.stringify(await service.status()).includes(secret), false)
    const check = await service.cli('check', '--json')
    assert.equal(check.status, 0, check.stderr)
    assert.equal(check.stdout.includes(secret), false)
  })

  await t.test('check warns of a certificate that has expired', async () => {
    const expired = authority.sign('expired', [], -1)
    use(expired)
    const { status, stderr } = await service.cli('check')
    assert.equal(status, 0)
    assert.match(stderr, /CN=expired\) has expired on/)
  })
})

/** Sends garbage; resolves when the connection is over. */
async function send(port: number, { pieces, ending }: Garbage): Promise<void> {
  const client = await Client.connect(port)
  for (const piece of pieces) await client.send(piece)
  if (ending === 'reset') client.reset()
  else client.halfClose()
  await client.ending()
}

/** A client that has agreed on TLS. */
async function open(port: number): Promise<TLSSocket> {
  const secure = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  secure.on('error', () => {})
  await within('a handshake', once(secure, 'secureConnect'))
  return secure
}

async function received(secure: TLSSocket): Promise<string> {
  let text = ''
  secure.on('data', (chunk: Buffer) => {
    text += chunk
  })
  await within('the end', new Promise((resolve) => secure.once('end', resolve)))
  secure.end()
  return text
}
