/** What the servers do for a connection besides the echo, as options and tables name it. */
export interface Handler {
  /** `echo`, `burn-N` or `wait-N`, with N in milliseconds. */
  readonly name: string
  /** The first bytes of a line that asks for it. */
  readonly prefix: string
}

export const echo: Handler = { name: 'echo', prefix: '' }

/** The handler with this name; undefined when there is none. */
export function handlerNamed(name: string): Handler | undefined {
  if (name === echo.name) return echo
  const words = /^(burn|wait)-(\d{1,5})$/.exec(name)
  return words === null ? undefined : { name, prefix: `${words[1]} ${words[2]} ` }
}
