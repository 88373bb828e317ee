import { HelloserverError } from '../errors.ts'

/** For each state, the events that it accepts and the state that each leads to. */
export type Transitions<State extends string, Event extends string> = Readonly<
  Record<State, Readonly<Partial<Record<Event, State>>>>
>

/** Called for each move of a machine. */
export type OnMove<State extends string, Event extends string> = (
  from: State,
  event: Event,
  to: State,
  cause: string | undefined,
) => void

/**
 * Returns the state that `event` leads to.
 *
 * @throws HelloserverError `ILLEGAL_MOVE` when the table has no such move.
 */
export function nextState<State extends string, Event extends string>(
  table: Transitions<State, Event>,
  from: State,
  event: Event,
): State {
  const to = table[from][event]
  if (to === undefined) {
    throw new HelloserverError('ILLEGAL_MOVE', `No move from "${from}" on "${event}"`)
  }
  return to
}

/** A state with one writer: `apply` moves it by the table, reports the move, and refuses any other. */
export class Machine<State extends string, Event extends string> {
  readonly #table: Transitions<State, Event>
  readonly #onMove: OnMove<State, Event>
  #state: State

  constructor(table: Transitions<State, Event>, initial: State, onMove: OnMove<State, Event>) {
    this.#table = table
    this.#state = initial
    this.#onMove = onMove
  }

  get state(): State {
    return this.#state
  }

  /** Whether the table has a move for `event` from the current state. */
  accepts(event: Event): boolean {
    return this.#table[this.#state][event] !== undefined
  }

  apply(event: Event, cause?: string): State {
    const from = this.#state
    const to = nextState(this.#table, from, event)
    this.#state = to
    this.#onMove(from, event, to, cause)
    return to
  }
}
