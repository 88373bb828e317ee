import { type Scene, scenesOf } from '../fault.ts'
import { hosts, hostsWithoutWait, sentinels } from '../stages/sentinels.ts'
import { single } from '../stages/single.ts'
import { contenders } from './contenders.ts'
import { failover, partitions } from './failover.ts'
import { servers } from './servers.ts'
import { ways } from './ways.ts'

/** Everything that may happen. A new fault is a row in one of the tables. */
const all: readonly Scene[] = [
  ...scenesOf(single, [...contenders, ...ways, ...servers]),
  ...scenesOf(sentinels, failover),
  ...scenesOf(hosts, partitions),
]

/** One fault of each kind, for a run that is to be short; the others come to the same by another way. */
const representatives = [
  'release',
  'holder killed',
  'holder paused',
  'holder paused shortly',
  'holder cut off',
  'replies dropped',
  'replies late',
  'release late',
  'Redis restarted empty',
  'clock +60 s',
  'Redis down',
  'Redis paused',
  'master killed',
  'grant never replicated',
  'host cannot send',
  'holder isolated with the master',
]

const namedOf = (scenes: readonly Scene[], names: readonly string[]) =>
  scenes.filter(({ fault: { name } }) => names.includes(name))

const representativesOf = ({ name }: { readonly name: string }) =>
  namedOf(all, representatives).filter(({ setting }) => setting.name === name)

/** What one Redis and its contenders go through. */
export const scenesOfOne = representativesOf(single)

/** What a fleet goes through when its master changes. */
export const scenesOfFailover = representativesOf(sentinels)

/** What a fleet goes through when its network parts. */
export const scenesOfPartitions = representativesOf(hosts)

/** What the naive lock gets wrong with one Redis. */
export const scenesOfNaive = namedOf(scenesOfOne, ['holder paused', 'clock +60 s'])

/** What it gets wrong when the master changes. */
export const scenesOfNaiveFailover = namedOf(scenesOfFailover, ['grant never replicated'])

/** What the lease gets wrong, too, when it does not wait for a replica. */
export const scenesWithoutWait = namedOf(scenesOf(hostsWithoutWait, partitions), [
  'holder isolated with the master',
])

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
