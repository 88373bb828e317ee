import assert from 'node:assert/strict'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Authority } from '../helpers/certificates.ts'
import { upgrade } from '../helpers/commands.ts'
import { freePort } from '../helpers/free-port.ts'
import { Haproxy } from '../helpers/haproxy.ts'
import { sClient } from '../helpers/openssl-client.ts'
import { Pm2 } from '../helpers/pm2.ts'
import { isAlive } from '../helpers/processes.ts'
import { counted } from '../helpers/service.ts'
import { waitFor, within } from '../helpers/wait-for.ts'

/** Answers a line with what it knows of its client. */
const app = `
export default {
  async handle(connection) {
    const line = await connection.readLine()
    if (line === null) return
    const { remote, local, proxy, tls } = connection
    const uniqueId = proxy?.uniqueId?.toString()
    await connection.write(JSON.stringify({ line: String(line).trim(), remote, local, version: proxy?.version, through: proxy?.tls, uniqueId, tls: tls?.protocol }) + '\\r\\n')
  },
}
`

interface Answer {
  readonly line: string
  readonly remote: { readonly address?: string; readonly port?: number }
  readonly local: { readonly port?: number }
  readonly version?: number
  readonly through?: {
    readonly protocol?: string
    readonly commonName?: string
    readonly isVerified: boolean
  }
  readonly uniqueId?: string
  readonly tls?: string
}

/** The answer to one line, and the client's own address; the answer is empty when there was none. */
async function ask(port: number, line: string): Promise<{ text: string; own: unknown }> {
  const socket = connect({ port, host: '127.0.0.1' })
  let text = ''
  socket.on('error', () => {})
  socket.on('data', (chunk: Buffer) => {
    text += chunk
  })
  await within('a connection', once(socket, 'connect'))
  const own = { address: socket.localAddress, port: socket.localPort }
  const ended = once(socket, 'close')
  socket.write(`${line}\r\n`)
  await within('the end of an answer', ended)
  return { text, own }
}

/** A service under pm2 and behind HAProxy, which has a frontend for each version, and one that ends TLS. */
async function startBehindHaproxy(t: TestContext) {
  const authority = new Authority(t)
  const certificate = authority.sign('server')
  const device = authority.sign('device')
  const [admin, v1, v2, ssl, through] = await Promise.all([1, 2, 3, 4, 5].map(() => freePort()))
  const pm2 = new Pm2(t, { app })
  const { sandbox } = pm2
  const { cert, key } = certificate
  sandbox.configure({
    host: undefined,
    port: undefined,
    workers: 2,
    log: { access: true },
    drain: { announceMs: 6_000 },
    admin: { http: admin },
    listen: [
      { address: '127.0.0.1:0', proxyProtocol: true },
      { address: '127.0.0.2:0', proxyProtocol: { trusted: ['127.0.0.0/8'] }, tls: { cert, key } },
      { address: '127.0.0.3:0', proxyProtocol: { trusted: ['192.0.2.0/24'] } },
    ],
  })
  const service = await pm2.start()
  const { endpoints: [plain = '', secure = '', strict = ''] = [] } = await service.status()
  const bundle = `${authority.folder}/bundle.pem`
  const { pem } = certificate
  writeFileSync(bundle, `${pem.cert}${pem.key}`)
  const check = `option httpchk GET /readyz\n  http-check expect status 200\n  default-server check port ${admin} addr 127.0.0.1 inter 300ms fall 10 rise 1`
  const haproxy = await Haproxy.start(
    t,
    `frontend v1
  bind 127.0.0.1:${v1}
  default_backend v1
backend v1
  ${check}
  server one ${plain} send-proxy
frontend v2
  bind 127.0.0.1:${v2}
  unique-id-format id-%ID%rt
  default_backend v2
backend v2
  server two ${plain} send-proxy-v2 proxy-v2-options crc32c,unique-id
frontend ssl
  bind 127.0.0.1:${ssl} ssl crt ${bundle} ca-file ${authority.ca} verify required
  default_backend ssl
backend ssl
  server three ${plain} send-proxy-v2-ssl-cn check inter 100ms
frontend through
  bind 127.0.0.1:${through}
  default_backend through
backend through
  server four ${secure} send-proxy-v2
`,
  )
  await waitFor('a server that is up', () => haproxy.isUp('one'))
  return {
    authority,
    device,
    pm2,
    service,
    sandbox,
    haproxy,
    strict,
    ports: { v1, v2, ssl, through } as Record<'v1' | 'v2' | 'ssl' | 'through', number>,
  }
}

test('behind a real HAProxy', async (t) => {
  const { device, authority, pm2, service, sandbox, haproxy, strict, ports } =
    await startBehindHaproxy(t)

  await t.test('the app and the access log see the client, by either version', async () => {
    for (const [version, port] of [
      [1, ports.v1],
      [2, ports.v2],
    ] as const) {
      const { text, own } = await ask(port, 'hello')
      const answer = JSON.parse(text) as Answer
      assert.deepEqual(answer.remote, own)
      assert.equal(answer.local.port, port)
      assert.equal(answer.version, version)
      assert.equal(answer.line, 'hello')
      if (version === 2) assert.match(answer.uniqueId ?? '', /^id-/)
      const { address, port: ownPort } = own as { address: string; port: number }
      await sandbox.logged(new RegExp(`"kind":"access".*"peer":"${address}:${ownPort}"`))
    }
  })

  await t.test('the proxy tells of TLS that it has ended', async () => {
    const options = ['-CAfile', authority.ca, '-cert', device.cert, '-key', device.key]
    const { stdout, stderr } = await sClient(`127.0.0.1:${ports.ssl}`, 'hello\r\n', ...options)
    assert.match(stdout, /"line":"hello"/, stderr)
    const { through, tls } = JSON.parse(stdout) as Answer
    assert.deepEqual(
      [through?.protocol, through?.commonName, through?.isVerified, tls],
      ['TLSv1.3', 'device', true, undefined],
    )
  })

  await t.test('TLS that the service ends follows the header', async () => {
    const { stdout, stderr } = await sClient(`127.0.0.1:${ports.through}`, 'hello\r\n')
    assert.match(stdout, /"line":"hello"/, stderr)
    const { tls, version, remote } = JSON.parse(stdout) as Answer
    assert.deepEqual([tls, version, remote.address], ['TLSv1.3', 2, '127.0.0.1'])
  })

  await t.test('its own checks over the endpoint are let in, and cost nothing', async () => {
    await waitFor(
      'a check',
      async () =>
        (await service.status()).connections.gone > 0 ||
        (await service.status()).connections.served > 6,
    )
    assert.equal(await haproxy.isUp('three'), true)
    const failed = sandbox.log().match(/.*"kind":"access".*"outcome":"failed".*/g) ?? []
    assert.deepEqual(failed.slice(0, 3), [])
  })

  await t.test('a peer that is not trusted is refused', async () => {
    const [host = '', port = ''] = strict.split(':')
    const socket = connect({ host, port: Number(port) })
    socket.on('error', () => {})
    await within('the refusal', once(socket, 'close'))
    await counted(service, { failed: 1 })
    await sandbox.logged(/"reason":"proxy-untrusted"/)
  })

  await t.test('pm2 reload, an upgrade and pm2 restart under load lose nothing', async () => {
    const load = new AbortController()
    const lost: string[] = []
    let answered = 0
    const clients = Array.from({ length: 6 }, async (_, client) => {
      while (!load.signal.aborted) {
        const { text } = await ask(client % 2 === 0 ? ports.v1 : ports.v2, `client-${client}`)
        if (text.includes(`"line":"client-${client}"`)) answered += 1
        else lost.push(`client ${client} after ${answered} answers: "${text}"`)
      }
    })
    const { pid: before, generation } = await service.status()
    await pm2.do('reload', 'helloserver')
    assert.ok((await service.status()).generation > generation)
    await upgrade(service)
    const { pid: upgraded } = await service.status()
    assert.notEqual(upgraded, before)
    await pm2.do('restart', 'helloserver')
    const enough = answered + 50
    await waitFor('a restarted primary', async () => {
      const now = await service.status().catch(() => undefined)
      return now !== undefined && now.pid !== upgraded && !isAlive(upgraded)
    })
    await waitFor('some more answers', () => answered > enough)
    load.abort()
    await Promise.all(clients)
    const lines = sandbox.log().match(/.*"kind":"access".*"outcome":"failed".*/g) ?? []
    assert.deepEqual(lost, [], lines.slice(1, 4).join('\n') || (await haproxy.ask('show stat')))
    const { accepted, served, failed, shed, expired, gone, queued, active } = (
      await service.status()
    ).connections
    assert.equal(accepted, served + failed + shed + expired + gone + queued + active)
    assert.equal(failed, 1)
  })

  await t.test('a drain takes the service out of the proxy before it ends', async () => {
    const last = JSON.parse((await ask(ports.v1, 'last')).text) as Answer
    assert.equal(last.line, 'last')
    const { pid } = await service.status()
    process.kill(pid, 'SIGUSR1')
    await waitFor('a server that is down', async () => !(await haproxy.isUp('one')))
    await waitFor('the end of the service', () => !isAlive(pid))
  })
})
