import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { messageOf } from '../../src/errors.ts'
import type { Cleanup } from '../helpers/cleanup.ts'
import { freePort } from '../helpers/free-port.ts'
import { randomFrom } from '../helpers/random.ts'
import { waitFor } from '../helpers/wait-for.ts'
import type { Event } from './event.ts'
import { usualStreams } from './load/load-process.ts'
import { report } from './report.ts'
import { storyOf } from './story.ts'
import { isNative, World } from './world.ts'

/** Time in which nothing happens between two events, at the least and at the most; milliseconds. */
const restMs = [100, 500] as const

export interface SuiteOptions {
  readonly seed: number
  /** What happens, in order; the run is over at its end, or when time is up. */
  readonly sequence: Iterable<Event>
  readonly limitMs: number
  /** How many clients come as a crowd while something happens; 0: none do. */
  readonly crowdClients: number
  readonly print: (text: string) => void
}

/**
 * Puts load on a service of its own, makes one event happen after the other, and prints what the clients saw.
 *
 * @throws AssertionError when a connection ended in a way that no event may cause, when an event did not do
 * what it is to do, or when the service has counted otherwise than its clients
 */
export async function runSuite(t: Cleanup, options: SuiteOptions): Promise<void> {
  const { seed, sequence, limitMs, crowdClients, print } = options
  const ports = { tcp: await freePort(), tls: await freePort() }
  const world = new World(t, ports, randomFrom(seed), crowdClients)
  const { ledger, load, pm2 } = world
  await pm2.start()
  const untilMs = performance.now() + limitMs
  load.start(world.ways, seed, usualStreams)
  const problems: string[] = []
  for (const event of sequence) {
    if (performance.now() > untilMs) break
    try {
      await happen(world, event)
    } catch (error) {
      problems.push(`The event "${event.name}" failed: ${messageOf(error)}`)
      break
    }
    await delay(world.between(...restMs))
  }
  await load.stop()
  print(report(ledger))
  const log = pm2.sandbox.log()
  problems.push(
    ...ledger.crowdViolations.map(
      ({ event, crowd }) =>
        `The event "${event.name}" cost its crowd too much: ${JSON.stringify(crowd)}`,
    ),
  )
  problems.push(...ledger.violations.map((violation) => storyOf(violation, log)))
  if (problems.length === 0) await assertCounts(world)
  // Before the assertion, whose message may be cut.
  for (const problem of problems) print(problem)
  const events = ledger.occurrences.map(({ event }) => event.name).join(', ')
  assert.equal(problems.length, 0, `Seed ${seed}, ${problems[0]}; after the events ${events}`)
}

/** Where nobody listens for a while, a crowd would only knock; and nobody could tell which primary counted it. */
function bearsCrowd({ tolerance, needsIdle }: Event): boolean {
  return tolerance.refuses !== true && (needsIdle !== true || isNative)
}

/** Makes it happen, while a crowd comes if the world has one. */
async function happen(world: World, event: Event): Promise<void> {
  const { ledger } = world
  const crowd = bearsCrowd(event) ? await world.crowd() : undefined
  const occurrence = ledger.begin(event)
  try {
    await event.run(world)
    await world.settled()
    if (crowd !== undefined) ledger.settleCrowd(occurrence, await crowd.leave())
  } catch (error) {
    crowd?.abandon()
    throw error
  } finally {
    ledger.end(occurrence)
  }
}

/** The service has counted what the clients of its present primary saw. */
async function assertCounts(world: World): Promise<void> {
  await world.settled()
  // A predecessor that still had one of them reports its end a little later than the client sees it.
  const connections = await waitFor('the end of every connection', async () => {
    const { connections: now } = await world.status()
    return now.queued + now.active === 0 ? now : undefined
  })
  const { totals } = world.ledger
  const { accepted, served, failed, ...others } = connections
  const both = `the service counted ${JSON.stringify(connections)}, its clients ${JSON.stringify(totals)}`
  assert.deepEqual(others, { shed: 0, expired: 0, gone: 0, queued: 0, active: 0 })
  assert.equal(accepted, totals.connected, both)
  assert.equal(served + failed, accepted, both)
  // A worker can die when its client has the whole answer and the primary does not know it yet.
  assert.ok(failed >= totals.lost, both)
}
