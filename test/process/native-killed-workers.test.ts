import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { compileNative } from '../../bench/native.ts'
import type { Dispatcher } from '../../src/connections/dispatcher.ts'
import { Listener } from '../../src/connections/listener.ts'
import type { NativeHandOff } from '../../src/connections/native-hand-off.ts'
import type { PendingConnection } from '../../src/connections/pending-connection.ts'
import { compiledProgram } from '../helpers/compiled-program.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { waitFor } from '../helpers/wait-for.ts'
import { nativeStage } from '../unit/support/native-stage.ts'
import { nativeTest } from '../unit/support/native-test.ts'
import { BareWorker } from '../unit/support/stage.ts'

const kills = 40
/** On a busy machine, fewer must do. */
const longestMs = 10_000
/** How long a worker lives, in microseconds. */
const life = { least: 10, most: 600 }
const atATime = 2

/** How the connections of the load ended, by its own count. */
interface LoadFigures {
  readonly connections: number
  readonly ok: number
}

nativeTest(
  'workers that are killed at any instant lose one connection each at most, and none is lost track of',
  async (t) => {
    await killWorkers(t, { clients: 64 })
  },
)

nativeTest('the same while they accept by themselves', async (t) => {
  // With more, the queue would never be empty, for which the gate waits.
  const { met, lost } = await killWorkers(t, { clients: 3, opensGate: true })
  t.diagnostic(`${met} were accepted by workers, ${lost} of them were lost`)
  assert.ok(lost > 0, 'no kill has met a worker that had accepted by itself')
})

/**
 * Kills one worker after the other while there is load, and checks that all is counted.
 *
 * @returns how many connections workers have accepted by themselves, and how many of those were lost
 */
async function killWorkers(t: TestContext, { clients = 0, opensGate = false }) {
  const seed = chooseSeed()
  t.diagnostic(`HELLOSERVER_TEST_SEED=${seed}`)
  const random = randomFrom(seed)
  const program = compiled(t, 'doomed-worker')
  const { load: loadProgram } = await compileNative()
  const { handOff, ledger, dispatcher, accounts, native, log, endpoints } = nativeStage(t, {
    max: 1_000,
  })
  const accepting = { native, rest: handOff.rest, ledger }
  const endpoint = endpoints.numbered({ endpoint: { host: '127.0.0.1', port: 0 } })
  const listener = new Listener(endpoint, dispatcher, log, accepting)
  await listener.listen()
  t.after(() => listener.close())
  const listening = listener.handle.fd
  const { port = 0 } = listener.endpoint ?? {}
  if (opensGate) handOff.gate.serve([{ fd: listening, endpoint: endpoint.number }])
  const met = countAdmitted(dispatcher)

  const options = ['--port', String(port), '--clients', String(clients), '--seconds', '300']
  const load = spawn(loadProgram, options, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => load.kill())
  const figures = text(load.stdout)

  let killed = 0
  const untilMs = performance.now() + longestMs
  const killOneByOne = async () => {
    while (killed < kills && performance.now() < untilMs) {
      killed += 1
      const us = Math.round(life.least + random() * (life.most - life.least))
      if (opensGate) handOff.gate.turn()
      await new DoomedWorker(handOff, program, us, listening).ended
      const { accepted, ...states } = accounts.counts
      assert.equal(sum(states), accepted)
    }
  }
  await Promise.all(Array.from({ length: atATime }, killOneByOne))
  const survivor = new DoomedWorker(handOff, program, 0, listening)
  load.kill('SIGTERM')
  const { connections, ok } = JSON.parse(await figures) as LoadFigures
  await waitFor('the last connections', () => {
    handOff.settle()
    return accounts.open === 0 && accounts.counts.accepted === connections
  })
  survivor.kill()
  await survivor.ended

  const { accepted, served, failed } = accounts.counts
  t.diagnostic(`${accepted} connections, ${failed} lost by ${killed} kills`)
  assert.equal(accepted, connections)
  assert.equal(served + failed, accepted)
  assert.ok(failed > 0, 'no kill has met a worker at work')
  assert.ok(failed <= killed, `${failed} were lost by ${killed} kills`)
  // A worker may die between its answer and the record of it.
  assert.ok(ok >= served && ok <= accepted, `${ok} answered, ${served} counted as served`)
  return { met: met.length, lost: met.filter(({ state }) => state === 'failed').length }
}

/** The connections of which the dispatcher takes charge when their worker has accepted them. */
function countAdmitted(dispatcher: Dispatcher): PendingConnection[] {
  const admitted: PendingConnection[] = []
  const resume = dispatcher.resume.bind(dispatcher)
  dispatcher.resume = (...told) => {
    const connection = resume(...told)
    admitted.push(connection)
    return connection
  }
  return admitted
}

nativeTest('whenever a process is killed, its page tells which connection it took last', (t) => {
  const program = compiled(t, 'killed-takers')
  const { status, stdout } = spawnSync(program, ['1000'], { encoding: 'utf8' })
  assert.equal(status, 0)
  const { between, unknown } = JSON.parse(stdout) as Record<'between' | 'unknown', number>
  t.diagnostic(`${between} of 1000 kills came between the taking and the count`)
  assert.ok(between > 0, 'no kill has come at the moment that matters')
  assert.equal(unknown, 0)
})

/** A process that takes connections until it is killed. */
class DoomedWorker extends BareWorker {
  static #count = 0
  readonly #process
  /** Resolves when it has ended, and the hand-off knows of it. */
  readonly ended: Promise<void>

  /** @param us - how long it lives, in microseconds; 0: until `kill` is called */
  constructor(handOff: NativeHandOff, program: string, us: number, listening: number) {
    super((DoomedWorker.#count += 1))
    const [page = -1, queue = -1, bell = -1] = handOff.link(this).fds
    const inherited = [page, queue, bell, listening]
    const stdio = ['ignore', 'ignore', 'inherit', 'ignore', ...inherited] as const
    this.#process = spawn(program, [String(us)], { stdio: [...stdio] })
    handOff.addIdle(this)
    this.ended = this.#untilLost(handOff)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  async #untilLost(handOff: NativeHandOff): Promise<void> {
    const [status, signal] = (await once(this.#process, 'exit')) as [number | null, string | null]
    assert.equal(signal, 'SIGKILL', `it ended with status ${status}`)
    handOff.settle()
    handOff.lost(this, { claimed: 0, lastStep: undefined }, 'killed')
    assert.deepEqual(this.faults, [])
  }
}

/** Compiles a program without Node, together with the module's way to take a connection. */
function compiled(t: TestContext, name: string): string {
  return compiledProgram(t, [`test/native/${name}.c`, 'src/native/ticket.c'])
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0)
}
