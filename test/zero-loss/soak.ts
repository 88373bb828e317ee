/** `npm run soak`: the suite for as long as one likes. */
import { deal, first } from '../helpers/deck.ts'
import { randomFrom } from '../helpers/random.ts'
import { print, soak, untilInterrupted } from '../helpers/soak.ts'
import { events, eventsNamed } from './events/index.ts'
import { runSuite } from './suite.ts'

await soak({
  command: 'soak',
  choose: ({ words }) => (words === undefined ? events : eventsNamed(words)),
  async run(cleanups, { seed, times, limitMs }, chosen) {
    const sequence = untilInterrupted(first(times, deal(chosen, randomFrom(seed))))
    await runSuite(cleanups, { seed, sequence, limitMs, print })
    return 'nothing was lost that might not be'
  },
})
