import type { Transitions } from '../../../src/lifecycle/machine.ts'

type Table<State extends string> = Transitions<State, string>

/** The states of a table. */
export function statesOf<State extends string>(table: Table<State>): State[] {
  return Object.keys(table) as State[]
}

/** The events that a state accepts, and where they lead. */
export function movesFrom<State extends string>(
  table: Table<State>,
  from: State,
): (readonly [event: string, to: State])[] {
  return Object.entries(table[from]) as [string, State][]
}

/** The states that can be reached from `from`, itself included. */
export function reachable<State extends string>(table: Table<State>, from: State): Set<State> {
  const found = new Set<State>([from])
  for (const state of found) {
    for (const [, to] of movesFrom(table, state)) found.add(to)
  }
  return found
}

/** Every event that a table knows. */
export function eventsOf<State extends string>(table: Table<State>): string[] {
  return [...new Set(statesOf(table).flatMap((state) => Object.keys(table[state])))]
}
