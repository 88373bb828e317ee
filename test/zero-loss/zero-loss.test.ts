import { test } from 'node:test'
import { shuffled } from '../helpers/deck.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { events } from './events/index.ts'
import { runSuite } from './suite.ts'

/** The machine may be slow; the events that did not come up have another chance in the next run. */
const loads = [
  { what: 'no event costs a client more than it may', crowdClients: 0, limitMs: 60_000 },
  // Of a crowd that comes to workers that accept by themselves.
  { what: 'nor one of a crowd', crowdClients: 4, limitMs: 20_000 },
]

const seed = chooseSeed()

for (const { what, crowdClients, limitMs } of loads) {
  test(`${what} (HELLOSERVER_TEST_SEED=${seed})`, async (t) => {
    await runSuite(t, {
      seed,
      sequence: shuffled(events, randomFrom(seed)),
      limitMs,
      crowdClients,
      print: (text) => t.diagnostic(text),
    })
  })
}
