/** `npm run soak:fleet`: the suite for as long as one likes. */
import { deal, first } from '../helpers/deck.ts'
import { randomFrom } from '../helpers/random.ts'
import { print, soak, untilInterrupted } from '../helpers/soak.ts'
import type { Scene } from './fault.ts'
import { scenesNamed } from './faults/index.ts'
import { problemsOf, report } from './report.ts'
import { runSuite } from './suite.ts'

await soak<Scene>({
  command: 'soak:fleet',
  own: { ttl: 'how long the lease lasts, in milliseconds [3000]' },
  choose: ({ words }) => scenesNamed(words),
  async run(cleanups, { seed, times, limitMs, own }, chosen) {
    const sequence = untilInterrupted(first(times, deal(chosen, randomFrom(seed))))
    const ttlMs = own['ttl'] ?? 3_000
    const result = await runSuite(cleanups, { seed, sequence, limitMs, ttlMs })
    print(report(result))
    const problems = [...problemsOf(result), ...result.late]
    if (problems.length > 0) throw new Error(problems.join('\n'))
    return 'two never served at a time'
  },
})
