/** How often pm2 is sent the figures, in milliseconds. */
const everyMs = 1_000

/** A request by `pm2 trigger`, and how to answer it. */
type Perform = (given: unknown, reply: (answer: object) => void) => void

/** Figures and actions of this process, as pm2 shows and offers them. */
export interface Pm2Io {
  /** Shows a figure under its name, from now on. */
  metric(figure: { readonly name: string; readonly value: () => string }): void
  /** Offers an action; `given` is pm2's parameter, a text, or nothing like one when it was left out. */
  action(name: string, perform: Perform): void
}

/**
 * Speaks pm2's messages for figures and actions, which are the same in pm2 5 to 7. pm2's own library for them,
 * @pm2/io, is another one in each of these releases, registers figures and actions of its own, and ends the process
 * when pm2 is gone.
 *
 * @param signal - stops the figures when aborted
 */
export function openPm2Io(signal: AbortSignal): Pm2Io {
  const figures = new Map<string, () => string>()
  const actions = new Map<string, Perform>()
  const timer = setInterval(() => {
    const values = [...figures].map(([name, value]) => [name, { value: value() }])
    tell('axm:monitor', Object.fromEntries(values))
  }, everyMs).unref()
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  process.on('message', (message) => {
    const { name, given } = decoded(message)
    actions.get(name)?.(given, (answer) =>
      tell('axm:reply', { at: Date.now(), action_name: name, return: answer }),
    )
  })
  return {
    metric: ({ name, value }) => void figures.set(name, value),
    action: (name, perform) => {
      actions.set(name, perform)
      tell('axm:action', { action_name: name, action_type: 'custom', arity: perform.length })
    },
  }
}

/** pm2 sends an action's name alone when there is no parameter. */
function decoded(message: unknown): { readonly name: string; readonly given: unknown } {
  if (typeof message !== 'object' || message === null) return { name: String(message), given: {} }
  const { msg, opts } = message as { readonly msg?: unknown; readonly opts?: unknown }
  return { name: String(msg), given: opts }
}

/** A message to a pm2 that has just died is lost. */
function tell(type: string, data: object): void {
  if (process.connected) process.send?.({ type, data })
}
