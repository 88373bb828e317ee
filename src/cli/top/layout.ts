/** How the lines of a screen are shared. */
export interface Layout {
  /** Whether there is room for facts that are not vital, and for empty lines. */
  readonly isRoomy: boolean
  /** So many workers and events are shown; the rest is counted in a line of its own, which comes on top. */
  readonly workers: number
  readonly events: number
}

/** From so many rows on there is room for everything. */
const roomyRows = 20
/** Where the number of rows has no end, as many events are enough. */
const enoughEvents = 5

export const isRoomy = (rows: number): boolean => rows >= roomyRows

/**
 * Shares what the facts and the foot leave among workers and events: first a few events, then as many workers as fit,
 * then more events.
 *
 * @param free - rows that are left
 */
export function share(rows: number, free: number, workers: number, events: number): Layout {
  const roomy = isRoomy(rows)
  if (!Number.isFinite(rows)) {
    return { isRoomy: roomy, workers, events: Math.min(events, enoughEvents) }
  }
  // The table has a heading; in a roomy screen an empty line is above it and above the events.
  const gaps = roomy ? 2 : 0
  const body = Math.max(0, free - gaps - 1)
  const wantedEvents = Math.min(events, roomy ? 5 : body >= 5 ? 2 : body >= 3 ? 1 : 0)
  const forWorkers = Math.max(0, body - wantedEvents)
  if (workers > forWorkers) {
    return { isRoomy: roomy, workers: Math.max(0, forWorkers - 1), events: wantedEvents }
  }
  return { isRoomy: roomy, workers, events: Math.min(events, body - workers) }
}
