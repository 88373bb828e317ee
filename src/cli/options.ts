/** The options of every command. */
export interface Options {
  readonly name: string
  readonly json: boolean
  /** Prints nothing but results and errors, because the terminal shows something else. */
  readonly isQuiet?: boolean
}

/** The option of commands that may have to wait for other hosts of the fleet. */
export interface Forcible {
  readonly force?: boolean
}
