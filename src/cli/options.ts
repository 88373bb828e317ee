/** What every command takes. */
export interface Options {
  readonly name: string
  readonly json: boolean
}

/** What the commands take that others in the fleet may have to wait for. */
export interface Forcible {
  readonly force?: boolean
}
