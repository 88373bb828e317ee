import type { Event } from '../event.ts'
import { primary } from './primary.ts'
import { recycling } from './recycle.ts'
import { releases } from './releases.ts'
import { reloads } from './reloads.ts'
import { supervisor } from './supervisor.ts'
import { workers } from './workers.ts'

/** Everything that the suite makes happen. A new event is a row in one of these tables. */
export const events: readonly Event[] = [
  ...reloads,
  ...releases,
  ...workers,
  ...supervisor,
  ...primary,
  ...recycling,
]

/**
 * The events with these names, given as words that a name contains.
 *
 * @throws Error when no name contains one of them
 */
export function eventsNamed(words: readonly string[]): Event[] {
  for (const word of words) {
    if (events.some(({ name }) => name.includes(word))) continue
    const names = events.map(({ name }) => `"${name}"`).join(', ')
    throw new Error(`No event's name contains "${word}"; there are ${names}`)
  }
  return events.filter(({ name }) => words.some((word) => name.includes(word)))
}
