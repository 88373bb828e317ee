/** What every command takes. */
export interface Options {
  readonly name: string
  readonly json: boolean
}
