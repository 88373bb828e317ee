import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import { type ConnectionOptions, connect as secureConnect } from 'node:tls'
import { codeOf } from '../../src/errors.ts'
import { type ConnectOptions, type TlsOptions, testApp } from '../../src/testing.ts'
import { Authority } from '../helpers/certificates.ts'
import { Client } from '../helpers/client.ts'
import app from '../helpers/conformance-app.ts'
import { counted, type Service, startService } from '../helpers/service.ts'
import { shared } from '../helpers/shared.ts'
import { waitFor, within } from '../helpers/wait-for.ts'
import {
  addresses4,
  binaryHeader,
  families,
  field,
  tlsField,
} from '../unit/support/proxy-headers.ts'

/** What a client does; both a real one and that of the test kit can do it. */
interface Actor {
  send(bytes: string | Uint8Array): Promise<void>
  halfClose(): Promise<void>
  reset(): Promise<void>
  /** Begins TLS. */
  startTls(): Promise<void>
  /** Waits until the handler has been called. */
  isHandled(): Promise<void>
  /** Waits until so many bytes have come. */
  receives(length: number): Promise<void>
  /** Lets the time of a limit pass. */
  wait(ms: number): Promise<void>
}

/** What can be seen of a connection when it has ended. */
interface Seen {
  readonly bytes: string
  readonly how: string
  readonly outcome: unknown
  readonly reason: unknown
  readonly bytesIn: unknown
  readonly bytesOut: unknown
}

type Script = (actor: Actor) => Promise<void>

/** Limits that no busy machine reaches, but for the handshake's, for which one script waits. */
const limits = {
  readTimeoutMs: 60_000,
  deadlineMs: 120_000,
  maxLineBytes: 64,
  handshakeTimeoutMs: 2_000,
}
/** Limits that scripts wait for. */
const shortLimits = { ...limits, readTimeoutMs: 1_000, deadlineMs: 2_000 }

const scripts: Readonly<Record<string, Script>> = {
  'lines are echoed, and the end is clean': async (actor) => {
    await actor.send('echo\r\na\r\nb\r\n')
    await actor.halfClose()
  },
  'a request and its answer, several times': async (actor) => {
    await actor.send('echo\r\n')
    for (let count = 1; count <= 3; count += 1) {
      await actor.send('x\r\n')
      await actor.receives(3 * count)
    }
    await actor.halfClose()
  },
  'bytes come one by one': async (actor) => {
    for (const byte of 'echo\r\n\0\xff\r\n') await actor.send(Buffer.from(byte, 'latin1'))
    await actor.halfClose()
  },
  'every byte counts': async (actor) => {
    await actor.send('count\r\n')
    await actor.send(Buffer.alloc(3_000_000))
    await actor.halfClose()
  },
  'the last line has no end': async (actor) => {
    await actor.send('echo\r\nrest')
    await actor.halfClose()
  },
  'the client ends at once': (actor) => actor.halfClose(),
  'the client sends on after the answer': async (actor) => {
    await actor.send('first\r\n')
    await actor.receives(1)
    await actor.send('more\r\n')
    await actor.halfClose()
  },
  'a line is too long, and answered': (actor) => actor.send(`long\r\n${'x'.repeat(64)}`),
  'a line is too long, and not answered': (actor) => actor.send('x'.repeat(64)),
  'an answer larger than any buffer': (actor) => actor.send('flood\r\n'),
  'an answer that the handler did not wait for': (actor) => actor.send('lazy\r\n'),
  'a handler that throws': (actor) => actor.send('throw\r\n'),
  'the client resets before a byte has passed': async (actor) => {
    await actor.isHandled()
    await actor.reset()
  },
  'the client resets in the middle': async (actor) => {
    await actor.send('echo\r\nx\r\n')
    await actor.receives(3)
    await actor.reset()
  },
}

/** Scripts that last until a limit is reached. */
const patientScripts: Readonly<Record<string, Script>> = {
  'a mute client': (actor) => actor.wait(shortLimits.readTimeoutMs),
  'a mute client that is answered': async (actor) => {
    await actor.send('patient\r\n')
    await actor.wait(shortLimits.readTimeoutMs)
  },
  'a handler that waits for its deadline': async (actor) => {
    await actor.send('stubborn\r\n')
    await actor.wait(shortLimits.deadlineMs)
  },
  'a deadline, with input that nobody read': async (actor) => {
    // Most of it never leaves the client.
    void actor.send('stubborn\r\n')
    void actor.send(Buffer.alloc(32_000_000))
    await actor.wait(shortLimits.deadlineMs)
  },
}

/** @param tls - what client and server agree on, if the script begins TLS */
async function ofKit(
  script: Script,
  options: ConnectOptions = {},
  tls: TlsOptions = {},
  connection = limits,
): Promise<Seen> {
  const kit = await testApp(app, { connection })
  const client = kit.connect(options)
  let received = Buffer.alloc(0)
  const reading = (async (): Promise<string> => {
    try {
      for (let part = await client.read(); part !== null; part = await client.read())
        received = Buffer.concat([received, part])
      return 'end'
    } catch (error) {
      assert.equal(codeOf(error), 'ECONNRESET')
      return 'reset'
    }
  })()
  await script({
    send: (bytes) => client.write(bytes),
    halfClose: () => client.end(),
    reset: () => client.reset(),
    startTls: () => (options.tls === undefined ? client.startTls(tls) : Promise.resolve()),
    isHandled: () => kit.clock.advance(0),
    receives: (length) => waitFor('bytes', () => received.length >= length).then(() => {}),
    // The time before a limit is not over, and the limit is not early.
    wait: async (ms) => {
      await kit.clock.advance(ms - 1)
      assert.equal(client.isOpen, true)
      await kit.clock.advance(1)
    },
  })
  const { outcome, reason, bytesIn, bytesOut } = await client.outcome
  const how = await reading
  await kit.close()
  return { bytes: received.toString('latin1'), how, outcome, reason, bytesIn, bytesOut }
}

async function ofService(service: Service, script: Script): Promise<Seen> {
  const client = await Client.connect(service.port)
  const { address } = client
  await script({
    send: (bytes) => client.send(bytes),
    halfClose: async () => client.halfClose(),
    reset: async () => client.reset(),
    startTls: () => Promise.reject(new Error('This endpoint has no TLS')),
    // A connection that is reset before it is accepted has no address in the log.
    isHandled: async () => void (await counted(service, { active: 1 })),
    receives: (length) => waitFor('bytes', () => client.bytes.length >= length).then(() => {}),
    wait: async () => {},
  })
  const { how } = await client.ending()
  const line = await waitFor(`the access line of ${address}`, () => accessLine(service, address))
  const { outcome, reason, bytesIn, bytesOut } = line
  return { bytes: client.text, how, outcome, reason, bytesIn, bytesOut }
}

function accessLine(service: Service, peer: string): Record<string, unknown> | undefined {
  return accessLines(service).find((line) => line['peer'] === peer)
}

function accessLines(service: Service): Record<string, unknown>[] {
  return service
    .log()
    .split('\n')
    .filter((line) => line.includes('"kind":"access"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

for (const [which, played, connection] of [
  ['', scripts, limits],
  [' at its limits', patientScripts, shortLimits],
] as const) {
  describe(`the test kit does as a service does${which}`, () => {
    const running = shared((t) =>
      startService(t, {
        config: { connection, log: { access: true } },
        app: `export { default } from '${new URL('../helpers/conformance-app.js', import.meta.url).href}'\n`,
        allow: [/The handler threw/],
      }),
    )

    for (const [what, script] of Object.entries(played)) {
      test(what, async () => {
        const real = await ofService(await running(), script)
        const kit = await ofKit(script, {}, {}, connection)
        // Its own reset is all that a client sees of its connection.
        const how = what.startsWith('the client resets') ? real.how : kit.how
        // How much input was in the process before nobody read it depends on buffers.
        const bytesIn = what.endsWith('nobody read') ? real.bytesIn : kit.bytesIn
        assert.deepEqual({ ...kit, how, bytesIn }, real)
      })
    }
  })
}

/** Scripts behind a proxy: the header is in front of each. */
const behindProxy: Readonly<Record<string, Script>> = {
  'a header names the client, its TLS to the proxy and the connection': async (actor) => {
    await actor.send('who\r\nmore\r\n')
    await actor.halfClose()
  },
}

/** Scripts on an endpoint with TLS from the beginning, by a client with a certificate. */
const withTls: Readonly<Record<string, Script>> = {
  'a connection tells of its TLS, and its bytes are counted without it': async (actor) => {
    await actor.startTls()
    await actor.send('who\r\nmore\r\n')
    await actor.halfClose()
  },
}

/** Scripts on an endpoint whose handler begins TLS. */
const startingTls: Readonly<Record<string, Script>> = {
  'TLS begins in the middle': async (actor) => {
    await actor.send('tls\r\n')
    await actor.receives(2)
    await actor.startTls()
    await actor.send('more\r\n')
    await actor.halfClose()
  },
  'what was sent in the clear is no part of TLS': async (actor) => {
    await actor.send('tls\r\nDELETE everything\r\n')
    await actor.receives(2)
  },
  'the client leaves instead of beginning TLS': async (actor) => {
    await actor.send('tls\r\n')
    await actor.receives(2)
    await actor.halfClose()
  },
  'the client never begins TLS': async (actor) => {
    await actor.send('tls\r\n')
    await actor.receives(2)
    await actor.wait(limits.handshakeTimeoutMs)
  },
}

/** What the proxy says, as a real one writes it and as a test describes it. */
const header = binaryHeader(
  1,
  families.tcp4,
  addresses4,
  field(0x01, Buffer.from('hl7')),
  field(0x02, Buffer.from('a.example')),
  field(0x05, Buffer.from('id-1')),
  tlsField(3, 0),
)
const described: ConnectOptions['proxy'] = {
  source: { address: '192.0.2.1', port: 5555 },
  destination: { address: '192.0.2.2', port: 443 },
  alpn: 'hl7',
  authority: 'a.example',
  uniqueId: Buffer.from('id-1'),
  tls: {
    protocol: 'TLSv1.3',
    cipher: 'TLS_AES_128_GCM_SHA256',
    commonName: 'meter-7',
    hasCertificate: true,
    isVerified: true,
  },
}

/** A real connection that may become one with TLS. */
class RealClient {
  #socket: Socket
  readonly #options: ConnectionOptions
  #received = Buffer.alloc(0)

  constructor(endpoint: string, options: ConnectionOptions) {
    const [host = '', port] = endpoint.split(':')
    this.#socket = this.#listen(connect({ host, port: Number(port), allowHalfOpen: true }))
    this.#options = options
  }

  get received(): Buffer {
    return this.#received
  }

  get isOver(): boolean {
    return this.#socket.readableEnded || this.#socket.destroyed
  }

  send(bytes: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => this.#socket.write(bytes, () => resolve()))
  }

  end(): void {
    this.#socket.end()
  }

  async startTls(): Promise<void> {
    const clear = this.#socket.removeAllListeners('data')
    const secure = secureConnect({ socket: clear, ...this.#options })
    this.#socket = this.#listen(secure)
    await within('a handshake', once(secure, 'secureConnect'))
  }

  #listen<S extends Socket>(socket: S): S {
    socket.on('error', () => {})
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
    })
    return socket
  }
}

describe('the test kit does as a service with PROXY headers and TLS does', () => {
  const running = shared(async (t) => {
    const authority = new Authority(t)
    const server = authority.sign('server')
    const device = authority.sign('device').pem
    const { cert, key } = server
    const tls = { cert, key, ca: authority.ca, clientCert: 'request' }
    const service = await startService(t, {
      config: {
        connection: limits,
        log: { access: true },
        listen: [
          { address: '127.0.0.1:0', proxyProtocol: true },
          { address: '127.0.0.2:0', tls },
          { address: '127.0.0.3:0', tls: { ...tls, start: 'handler' } },
        ],
      },
      app: `export { default } from '${new URL('../helpers/conformance-app.js', import.meta.url).href}'\n`,
    })
    const { endpoints = [] } = await service.status()
    const client = { ...device, servername: 'a.example', rejectUnauthorized: false }
    return { service, endpoints, client, peerCertificate: new X509Certificate(device.cert) }
  })

  /** Plays a script on one of the endpoints; its access line is the next one. */
  async function ofEndpoint(
    at: number,
    script: Script,
    first?: Buffer,
  ): Promise<Omit<Seen, 'how'>> {
    const { service, endpoints, client: options } = await running()
    const before = accessLines(service).length
    const client = new RealClient(endpoints[at] ?? '', options)
    if (first !== undefined) await client.send(first)
    await script({
      send: (bytes) => client.send(bytes),
      halfClose: async () => client.end(),
      reset: () => Promise.reject(new Error('No script does')),
      startTls: () => client.startTls(),
      isHandled: async () => {},
      receives: (length) => waitFor('bytes', () => client.received.length >= length).then(() => {}),
      wait: async () => {},
    })
    const line = await waitFor('an access line', () => accessLines(service)[before])
    await waitFor('the end of the connection', () => client.isOver)
    const { outcome, reason, bytesIn, bytesOut } = line
    return { bytes: client.received.toString('latin1'), outcome, reason, bytesIn, bytesOut }
  }

  const play = (
    at: number,
    own: Readonly<Record<string, Script>>,
    act: (script: Script, tls: TlsOptions) => Promise<Seen>,
    first?: Buffer,
  ) => {
    for (const [what, script] of Object.entries(own)) {
      test(what, async () => {
        const real = await ofEndpoint(at, script, first)
        const { peerCertificate } = await running()
        const { how: _, ...kit } = await act(script, { serverName: 'a.example', peerCertificate })
        assert.deepEqual(kit, real)
      })
    }
  }

  play(0, behindProxy, (script) => ofKit(script, { proxy: described }), header)
  play(1, withTls, (script, tls) => ofKit(script, { tls }))
  play(2, startingTls, (script, tls) => ofKit(script, {}, tls))
})
