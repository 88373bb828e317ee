import { type Scene, scenesOf } from '../fault.ts'
import { hosts, sentinels } from '../stages/sentinels.ts'
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

/** What a fleet goes through when its master changes, or its network parts. */
export const scenesOfFailover: readonly Scene[] = [
  ...scenesOf(sentinels, failover),
  ...scenesOf(hosts, partitions),
]

const all = [...scenesOfOne, ...scenesOfFailover]

/**
 * The scenes whose fault has one of these words in its name; all of them when there is no word.
 *
 * @throws Error when no name contains one of them
 */
export function scenesNamed(words: readonly string[] = []): Scene[] {
  for (const word of words) {
    if (all.some(({ fault }) => fault.name.includes(word))) continue
    const names = all.map(({ fault }) => `"${fault.name}"`).join(', ')
    throw new Error(`No fault's name contains "${word}"; there are ${names}`)
  }
  if (words.length === 0) return all
  return all.filter(({ fault }) => words.some((word) => fault.name.includes(word)))
}
