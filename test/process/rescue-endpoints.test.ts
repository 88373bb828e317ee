import assert from 'node:assert/strict'
import { connect as connectPlain, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { connect } from 'node:tls'
import { Authority } from '../helpers/certificates.ts'
import { Client } from '../helpers/client.ts'
import { reload } from '../helpers/commands.ts'
import { nativeProcessTest } from '../helpers/native-process-test.ts'
import { isAlive, signalTo } from '../helpers/processes.ts'
import { counted, startService } from '../helpers/service.ts'
import { waitFor, within } from '../helpers/wait-for.ts'
import { binaryHeader, families } from '../unit/support/proxy-headers.ts'

/** Says what it knows of its client, and ends unless the line is "more". */
const app = `export default {
  async handle(connection) {
    for await (const line of connection) {
      const text = String(line).trim()
      const { remote, proxy, tls } = connection
      await connection.write(JSON.stringify({ text, from: remote.address, proxy: proxy?.version, tls: tls?.protocol }) + '\\r\\n')
      if (text !== 'more') return
    }
  },
}`

interface Answer {
  readonly text: string
  readonly from: string
  readonly proxy?: number
  readonly tls?: string
}

/** A client of a TCP endpoint; the text is that of `status`. */
function clientOf(endpoint: string): Socket {
  const [host = '', port = ''] = endpoint.split(':')
  return connectPlain({ host, port: Number(port), allowHalfOpen: true })
}

/** What comes until the service ends its side. */
async function answer(socket: Socket): Promise<Answer> {
  return JSON.parse(await within('the answer', text(socket))) as Answer
}

/** Sends a line within TLS, and what is to come before it in the clear. */
function sayWithTls(endpoint: string, before: string, line: string): Promise<Answer> {
  const socket = clientOf(endpoint)
  if (before !== '') socket.write(before)
  const secure = connect({ socket, rejectUnauthorized: false })
  secure.write(`${line}\r\n`)
  return answer(secure)
}

function say(endpoint: string, before: string | Buffer, line: string): Promise<Answer> {
  const socket = clientOf(endpoint)
  socket.write(Buffer.concat([Buffer.from(before), Buffer.from(`${line}\r\n`)]))
  return answer(socket)
}

/** The header of a client of a Unix socket. */
function headerOfPath(path: string): Buffer {
  const addresses = Buffer.alloc(2 * 108)
  addresses.write(path)
  addresses.write('/run/proxy.sock', 108)
  return binaryHeader(0x1, families.unix, addresses)
}

const headerOf = (client: string) => `PROXY TCP4 ${client} 192.0.2.1 5555 43\r\n`

nativeProcessTest('endpoints with TLS and PROXY headers', async (t) => {
  const authority = new Authority(t)
  const { cert, key } = authority.sign('server')
  const config = { workers: 1, log: { access: true }, rescue: { startAfterMs: 0 } }
  const environment = { HELLOSERVER_NATIVE: 'on' }
  const service = await startService(t, { app, environment, config })
  const { sandbox } = service
  const peers = { proxied: '192.0.2.7', both: '192.0.2.8', named: '/run/client.sock' }
  const peerTexts = [`${peers.proxied}:5555`, `${peers.both}:5555`, `unix:${peers.named}`]
  let endpoints: readonly string[] = []
  /** One client at each endpoint, with a line of its own. */
  const sayAtAll = () => {
    const [plain = '', secure = '', proxied = '', both = ''] = endpoints
    return [
      say(plain, '', 'plain'),
      sayWithTls(secure, '', 'secure'),
      say(proxied, headerOf(peers.proxied), 'proxied'),
      sayWithTls(both, headerOf(peers.both), 'both'),
      say(proxied, headerOfPath(peers.named), 'named'),
    ]
  }
  const expected = [
    { text: 'plain', from: '127.0.0.1' },
    { text: 'secure', from: '127.0.0.1', tls: 'TLSv1.3' },
    { text: 'proxied', from: peers.proxied, proxy: 1 },
    { text: 'both', from: peers.both, proxy: 1, tls: 'TLSv1.3' },
    { text: 'named', proxy: 2 },
  ]
  const logged = async (count: number) => {
    for (const peer of peerTexts) {
      const line = new RegExp(`"kind":"access".*"peer":"${peer}".*"outcome":"served"`, 'g')
      await waitFor(`${count} lines of ${peer}`, () => sandbox.log().match(line)?.length === count)
    }
  }

  await t.test('are added by a reload', async () => {
    sandbox.configure({
      ...config,
      host: undefined,
      port: undefined,
      listen: [
        '127.0.0.1:0',
        { address: '127.0.0.2:0', tls: { cert, key } },
        { address: '127.0.0.3:0', proxyProtocol: true },
        { address: '127.0.0.4:0', proxyProtocol: { trusted: ['127.0.0.0/8'] }, tls: { cert, key } },
      ],
    })
    await reload(service)
    const status = await service.status()
    assert.equal(status.handOff, 'native')
    endpoints = status.endpoints ?? []
    assert.deepEqual(await Promise.all(sayAtAll()), expected)
    await counted(service, { served: 5, active: 0 })
    await logged(1)
  })

  await t.test('are served from the queue of the kernel when the primary is killed', async () => {
    const [plain = ''] = endpoints
    const holder = await Client.connect(Number(plain.split(':')[1]))
    await holder.send('more\r\n')
    await holder.receives('more')
    const answers = sayAtAll()
    await waitFor('all of them', async () => (await service.status()).queue.length === 5)
    const { pid } = await service.status()
    signalTo(pid, 'SIGKILL')
    await waitFor('the end of the primary', () => !isAlive(pid))
    await holder.send('done\r\n')
    assert.deepEqual(await Promise.all(answers), expected)
    await sandbox.start()
    await counted(service, { accepted: 11, served: 11, failed: 0, queued: 0, active: 0 })
    // The next primary has learned who the clients were.
    await logged(2)
    assert.deepEqual(await Promise.all(sayAtAll()), expected)
  })
})
