import { type Scene, scenesOf } from '../fault.ts'
import { hosts, hostsWithoutWait, sentinels } from '../stages/sentinels.ts'
import { single } from '../stages/single.ts'
import { contenders } from './contenders.ts'
import { failover, partitions } from './failover.ts'
import { servers } from './servers.ts'
import { ways } from './ways.ts'

/** What one Redis and its contenders go through. A new fault is a row in one of the tables. */
export const scenesOfOne: readonly Scene[] = [
  ...scenesOf(single, contenders),
  ...scenesOf(single, ways),
  ...scenesOf(single, servers),
]

/** What a fleet goes through when its master changes. */
export const scenesOfFailover = scenesOf(sentinels, failover)

/** What a fleet goes through when its network parts. */
export const scenesOfPartitions = scenesOf(hosts, partitions)

const all = [...scenesOfOne, ...scenesOfFailover, ...scenesOfPartitions]

/** What the naive lock gets wrong. */
export const scenesOfNaive: readonly Scene[] = [
  ...scenesOf(single, [...contenders, ...servers]),
  ...scenesOfFailover,
].filter(({ fault: { name } }) =>
  ['holder paused', 'holder blocked', 'clock +60 s', 'grant never replicated'].includes(name),
)

/** What the lease gets wrong, too, when it does not wait for a replica. */
export const scenesWithoutWait = scenesOf(hostsWithoutWait, partitions).filter(
  ({ fault: { name } }) => name === 'holder isolated with the master',
)

/**
 * The scenes that this machine allows whose fault has one of these words in its name; all of them without words.
 *
 * @throws Error when no name contains one of them, or the machine allows none
 */
export function scenesNamed(words: readonly string[] = []): Scene[] {
  for (const word of words) {
    if (all.some(({ fault }) => fault.name.includes(word))) continue
    const names = all.map(({ fault }) => `"${fault.name}"`).join(', ')
    throw new Error(`No fault's name contains "${word}"; there are ${names}`)
  }
  const chosen = all.filter(
    ({ fault }) => words.length === 0 || words.some((word) => fault.name.includes(word)),
  )
  const possible = chosen.filter(({ setting }) => setting.missing?.() === undefined)
  const [first] = chosen
  if (possible.length === 0) throw new Error(first?.setting.missing?.())
  return possible
}
