import { test } from 'node:test'
import { shuffled } from '../helpers/deck.ts'
import { chooseSeed, randomFrom } from '../helpers/random.ts'
import { events } from './events/index.ts'
import { runSuite } from './suite.ts'

/** The machine may be slow; the events that did not come up have another chance in the next run. */
const limitMs = 60_000

const seed = chooseSeed()

test(`no event costs a client more than it may (HELLOSERVER_TEST_SEED=${seed})`, async (t) => {
  await runSuite(t, {
    seed,
    sequence: shuffled(events, randomFrom(seed)),
    limitMs,
    print: (text) => t.diagnostic(text),
  })
})
