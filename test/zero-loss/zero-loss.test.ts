import { test } from 'node:test'
import { shuffled } from '../helpers/deck.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { events } from './events/index.ts'
import { runSuite } from './suite.ts'

const seed = chooseSeed()
const order = shuffled(events, randomFrom(seed))

/** The machine may be slow; the events that did not come up have another chance in the next run. */
const runs = [
  {
    what: 'no event costs a client more than it may',
    sequence: order,
    crowdClients: 0,
    limitMs: 60_000,
  },
  {
    what: 'no event costs a crowd more than it may, for which workers accept by themselves',
    // With what came last, or did not come up.
    sequence: order.toReversed(),
    crowdClients: 4,
    limitMs: 20_000,
  },
]

for (const { what, ...run } of runs) {
  test(`${what} (HELLOSERVER_TEST_SEED=${seed})`, async (t) => {
    await runSuite(t, { ...run, seed, print: (text) => t.diagnostic(text) })
  })
}
