/** `npm run soak`: the suite for as long as one likes. */
import { deal, first } from '../helpers/deck.ts'
import { randomFrom } from '../helpers/random.ts'
import { print, soak, untilInterrupted } from '../helpers/soak.ts'
import { events, eventsNamed } from './events/index.ts'
import { runSuite } from './suite.ts'

/** More would only wait: the workers are four. */
const largestCrowd = 64

await soak({
  command: 'soak',
  own: {
    crowd: 'clients that connect without a pause while something happens; then no Unix socket [0]',
  },
  choose({ words, own: { crowd = 0 } }) {
    if (!Number.isInteger(crowd) || crowd > largestCrowd) {
      throw new Error(
        `Option --crowd is "${crowd}", expected a whole number from 0 to ${largestCrowd}`,
      )
    }
    return words === undefined ? events : eventsNamed(words)
  },
  async run(cleanups, { seed, times, limitMs, own }, chosen) {
    const sequence = untilInterrupted(first(times, deal(chosen, randomFrom(seed))))
    const crowdClients = own['crowd'] ?? 0
    await runSuite(cleanups, { seed, sequence, limitMs, crowdClients, print })
    return 'nothing was lost that might not be'
  },
})
