import assert from 'node:assert/strict'
import { after, type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect } from 'node:tls'
import { codeOf } from '../../../src/errors.ts'
import { MemorySocket } from '../../../src/testing/memory-socket.ts'
import { readTls } from '../../../src/tls/read-tls.ts'
import { NodeTlsDoor, type TlsDoor } from '../../../src/worker/tls-door.ts'
import { Authority } from '../../helpers/certificates.ts'
import { chooseSeed, fuzzInputs, randomFrom } from '../../helpers/random.ts'
import { type Garbage, GarbageMaker } from '../../helpers/tls-garbage.ts'
import { socketPair } from '../support/socket-pair.ts'

/** So many turns of the event loop without an outcome are a hang. */
const maxTurns = 100
const inputs = fuzzInputs(4_000)

const authority = new Authority({ after })

function doorOf(): TlsDoor {
  const { cert, key } = authority.sign('server')
  const settings = {
    cert,
    key,
    clientCert: 'none',
    minVersion: 'TLSv1.2',
    start: 'accept',
  } as const
  return new NodeTlsDoor(readTls({ ...settings, sni: {} }, 'tls').material)
}

/** The socket of a client without a network. */
function memorySocket(): MemorySocket {
  return new MemorySocket(
    { address: '192.0.2.1', port: 40_000 },
    { take: (_bytes, onTaken) => onTaken(), secured: () => {}, end: () => {}, close: () => {} },
  )
}

/** Lets a client send its garbage; resolves with the code of the error. */
async function outcomeOf(door: TlsDoor, { pieces, ending }: Garbage): Promise<string> {
  const socket = memorySocket()
  const result: { outcome?: string } = {}
  door.secure(socket, false).then(
    () => {
      result.outcome = 'secured'
    },
    (error: unknown) => {
      result.outcome = String(codeOf(error))
    },
  )
  for (const piece of pieces) socket.arrive(piece)
  if (ending !== 'silence') socket.arrive(ending)
  for (let turn = 0; result.outcome === undefined && turn < maxTurns; turn += 1) {
    // A connection whose handshake takes too long is given up by its worker.
    if (ending === 'silence' && !socket.isReceiving && turn > pieces.length + 2) socket.destroy()
    await nextTurn()
  }
  return result.outcome ?? 'hangs'
}

/** A good client is served by the door. */
async function serves(t: TestContext, door: TlsDoor): Promise<void> {
  const { server, client } = await socketPair(t)
  const secure = connect({ socket: client, rejectUnauthorized: false })
  secure.on('error', () => {})
  const served = await door.secure(server, false)
  assert.equal(served.tls.protocol, 'TLSv1.3')
  secure.destroy()
}

test('the hello that garbage is made of is answered', async () => {
  const socket = memorySocket()
  const failed = assert.rejects(doorOf().secure(socket, false), { code: 'TLS_FAILED' })
  socket.arrive(new GarbageMaker(randomFrom(1)).hello('a.example'))
  for (let turn = 0; turn < maxTurns; turn += 1) await nextTurn()
  // An alert would be shorter than a certificate.
  assert.ok(socket.bytesWritten > 500, `${socket.bytesWritten} bytes`)
  socket.arrive('end')
  await failed
})

test('whatever a stranger sends fails, and the next client is served', {
  timeout: 120_000,
}, async (t) => {
  const seed = chooseSeed()
  t.diagnostic(`seed ${seed}`)
  const maker = new GarbageMaker(randomFrom(seed))
  const door = doorOf()
  const unseen = new Set(maker.kinds)
  withoutStacks(t)
  for (let round = 0; round < inputs; round += 1) {
    const garbage = maker.next()
    const outcome = await outcomeOf(door, garbage)
    const text = `seed ${seed}, round ${round}, ${describe(garbage)}`
    // A reset may overtake the bytes before it.
    if (garbage.ending !== 'reset') assert.equal(outcome, expectedOf(garbage), text)
    else assert.match(outcome, /^(TLS_FAILED|CLIENT_GONE)$/, text)
    unseen.delete(garbage.kind)
  }
  assert.deepEqual([...unseen], [])
  await serves(t, door)
})

function expectedOf({ pieces }: Garbage): string {
  return pieces.length === 0 ? 'CLIENT_GONE' : 'TLS_FAILED'
}

/** Errors without a stack take half the time. */
function withoutStacks(t: TestContext): void {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  t.after(() => {
    Error.stackTraceLimit = stackTraceLimit
  })
}

function describe({ kind, pieces, ending }: Garbage): string {
  return `${kind}, ${ending}: ${pieces.map((piece) => piece.toString('hex')).join(' ')}`
}
