/** How the lines of a screen are divided. */
export interface Layout {
  /** Whether there is room for secondary facts and for empty lines. */
  readonly isRoomy: boolean
  /** The numbers of workers and events shown; the hidden ones are counted in an additional line. */
  readonly workers: number
  readonly events: number
}

/** The number of rows from which there is room for everything. */
const roomyRows = 20
/** The number of events shown when the number of rows is unlimited. */
const enoughEvents = 5

export const isRoomy = (rows: number): boolean => rows >= roomyRows

/**
 * Divides the rows left by the facts and the foot among workers and events: first a few events, then as many workers
 * as fit, then more events.
 *
 * @param free - the rows that are left
 */
export function share(rows: number, free: number, workers: number, events: number): Layout {
  const roomy = isRoomy(rows)
  if (!Number.isFinite(rows)) {
    return { isRoomy: roomy, workers, events: Math.min(events, enoughEvents) }
  }
  // The table has a heading; a roomy screen has an empty line above the table and above the events.
  const gaps = roomy ? 2 : 0
  const body = Math.max(0, free - gaps - 1)
  const wantedEvents = Math.min(events, roomy ? 5 : body >= 5 ? 2 : body >= 3 ? 1 : 0)
  const forWorkers = Math.max(0, body - wantedEvents)
  if (workers > forWorkers) {
    return { isRoomy: roomy, workers: Math.max(0, forWorkers - 1), events: wantedEvents }
  }
  return { isRoomy: roomy, workers, events: Math.min(events, body - workers) }
}
