import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { codeOf } from '../../src/errors.ts'
import { testApp } from '../../src/testing.ts'
import { Client } from '../helpers/client.ts'
import app from '../helpers/conformance-app.ts'
import { counted, type Service, startService } from '../helpers/service.ts'
import { shared } from '../helpers/shared.ts'
import { waitFor } from '../helpers/wait-for.ts'

/** What a client does; both a real one and that of the test kit can do it. */
interface Actor {
  send(bytes: string | Uint8Array): Promise<void>
  halfClose(): Promise<void>
  reset(): Promise<void>
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

const limits = { readTimeoutMs: 400, deadlineMs: 800, maxLineBytes: 64 }

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
  'a mute client': (actor) => actor.wait(limits.readTimeoutMs),
  'a mute client that is answered': async (actor) => {
    await actor.send('patient\r\n')
    await actor.wait(limits.readTimeoutMs)
  },
  'a handler that waits for its deadline': async (actor) => {
    await actor.send('stubborn\r\n')
    await actor.wait(limits.deadlineMs)
  },
  'a handler that throws': (actor) => actor.send('throw\r\n'),
  'a deadline, with input that nobody read': async (actor) => {
    // Most of it never leaves the client.
    void actor.send('stubborn\r\n')
    void actor.send(Buffer.alloc(32_000_000))
    await actor.wait(limits.deadlineMs)
  },
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

async function ofKit(script: Script): Promise<Seen> {
  const kit = await testApp(app, { connection: limits })
  const client = kit.connect()
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
  return service
    .log()
    .split('\n')
    .filter((line) => line.includes('"kind":"access"'))
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .find((line) => line['peer'] === peer)
}

describe('the test kit does as a service does', () => {
  const running = shared((t) =>
    startService(t, {
      config: { connection: limits, log: { access: true } },
      app: `export { default } from '${new URL('../helpers/conformance-app.js', import.meta.url).href}'\n`,
      allow: [/The handler threw/],
    }),
  )

  for (const [what, script] of Object.entries(scripts)) {
    test(what, async () => {
      const [real, kit] = [await ofService(await running(), script), await ofKit(script)]
      // Its own reset is all that a client sees of its connection.
      const how = what.startsWith('the client resets') ? real.how : kit.how
      // How much input was in the process before nobody read it depends on buffers.
      const bytesIn = what.endsWith('nobody read') ? real.bytesIn : kit.bytesIn
      assert.deepEqual({ ...kit, how, bytesIn }, real)
    })
  }
})
