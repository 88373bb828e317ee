/** An event that occurs with a frequency proportional to its weight. */
export interface Weighted {
  readonly weight: number
}

/**
 * The order in which events happen, determined by the random numbers: a deck that contains each event as often as its
 * weight says is shuffled and dealt, again and again.
 */
export function* deal<T extends Weighted>(
  events: readonly T[],
  random: () => number,
): Generator<T, never> {
  if (events.length === 0) throw new Error('There is no event to deal')
  for (;;)
    yield* shuffled(
      events.flatMap((event) => Array<T>(event.weight).fill(event)),
      random,
    )
}

/** The first `count` items of a sequence. */
export function* first<T>(count: number, sequence: Iterable<T>): Generator<T> {
  if (count <= 0) return
  let taken = 0
  for (const one of sequence) {
    yield one
    taken += 1
    if (taken >= count) return
  }
}

/** All items once, in an order determined by the random numbers (Fisher and Yates). */
export function shuffled<T>(all: readonly T[], random: () => number): T[] {
  const result = [...all]
  for (let last = result.length - 1; last > 0; last -= 1) {
    const at = Math.floor(random() * (last + 1))
    const [one, other] = [result[at], result[last]]
    if (one === undefined || other === undefined) continue
    result[at] = other
    result[last] = one
  }
  return result
}
