/** What every command takes. */
export interface Options {
  readonly name: string
  readonly json: boolean
  /** Something else is on the terminal: nothing but results and errors is said. */
  readonly isQuiet?: boolean
}

/** What the commands take that others in the fleet may have to wait for. */
export interface Forcible {
  readonly force?: boolean
}
