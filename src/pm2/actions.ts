import { setTimeout as delay } from 'node:timers/promises'
import { type LogLevel, logLevels } from '../config/log-levels.ts'
import { isWorkerCount, workersAllowed } from '../config/worker-count.ts'
import type { Method, Params, Results } from '../control/protocol.ts'
import { codeOf, HelloserverError, messageOf } from '../errors.ts'
import { withVisibleTexts } from '../visible.ts'
import type { Pm2Io } from './pm2-io.ts'

/** Sends a request to the process that is the service now. */
export type Ask = <M extends Method>(method: M, params: Params<M>) => Promise<Results[M]>

export interface ActionsOptions {
  /** The app's name in pm2. */
  readonly name: string
  readonly ask: Ask
  /** Aborted when pm2 replaces this process; pending actions then fail. */
  readonly signal: AbortSignal
}

/** How long to hold back an answer, in milliseconds: `pm2 trigger` must be ready to receive it. */
const earliestMs = 300
/** How long to wait for a request that a running service answers at once, in milliseconds. */
const promptMs = 5_000
/** How long to wait for an outcome before reporting that the action is still under way, in milliseconds. */
const patientMs = 40_000

interface Action {
  readonly withinMs: number
  /** The rule for the parameter, with an example; absent when the action takes none. */
  readonly parameter?: {
    readonly must: string
    readonly example: string
    isRight(text: string): boolean
  }
  perform(ask: Ask, parameter: string): Promise<object>
}

/** The actions of `pm2 trigger`; each answers what the command line prints with `--json`. */
export const actions: Readonly<Record<string, Action>> = {
  status: {
    withinMs: promptMs,
    perform: async (ask) => {
      // pm2 prints the answer on one line, where workers and events would hide the figures.
      const { workers: _, events: __, ...figures } = await ask('status', {})
      return figures
    },
  },
  workers: {
    withinMs: promptMs,
    perform: async (ask) => (await ask('status', {})).workers,
  },
  reload: {
    withinMs: patientMs,
    perform: (ask) => ask('reload', { cause: 'pm2 trigger' }),
  },
  scale: {
    withinMs: patientMs,
    parameter: {
      must: workersAllowed,
      example: '4',
      // Other notations of a number, such as 1e3, are more likely to be a slip.
      isRight: (text) => /^\d+$/.test(text) && isWorkerCount(Number(text)),
    },
    perform: (ask, text) => ask('scale', { workers: Number(text) }),
  },
  // Ends this process too, and pm2 leaves it stopped: the service announces the drain before it goes.
  drain: {
    withinMs: patientMs,
    perform: (ask) => ask('stop', {}),
  },
  'log-level': {
    withinMs: promptMs,
    parameter: {
      must: `one of ${logLevels.join(', ')}`,
      example: 'debug',
      isRight: (text) => (logLevels as readonly string[]).includes(text),
    },
    perform: (ask, text) => ask('log-level', { level: text as LogLevel }),
  },
}

/** Lets people control the service with `pm2 trigger`. */
export function offerActions(io: Pick<Pm2Io, 'action'>, options: ActionsOptions): void {
  for (const action of Object.keys(actions)) {
    // Without a reply, `pm2 trigger` waits for ever.
    io.action(action, (given, reply) => {
      // pm2 prints the answer as JSON, which escapes some of the characters that a terminal obeys, but not all.
      void answerNotTooSoon(action, given, options).then((answered) =>
        reply(withVisibleTexts(answered) as object),
      )
    })
  }
}

/**
 * `pm2 trigger` sends on one connection and receives the answer on another. It shows an answer that arrives
 * before it knows how many to expect, and then waits for ever.
 */
async function answerNotTooSoon(
  action: string,
  given: unknown,
  options: ActionsOptions,
): Promise<object> {
  const { signal } = options
  // Cut short when this process ends, since nothing can be sent later.
  const soon = delay(earliestMs, undefined, { signal }).catch(() => {})
  const answered = await answer(action, given, options)
  await soon
  return answered
}

/**
 * Performs an action and reports its outcome: always, and in time.
 *
 * @param given - pm2's parameter: a text, or an empty object when it was left out
 */
export async function answer(
  name: string,
  given: unknown,
  { name: app, ask, signal }: ActionsOptions,
): Promise<object> {
  try {
    const action = actions[name]
    if (action === undefined) throw new HelloserverError('BAD_USAGE', `No action ${name}`)
    const { parameter, withinMs } = action
    const text = textOf(given)
    const isRight = text === undefined ? parameter === undefined : parameter?.isRight(text)
    if (!isRight) throw new HelloserverError('BAD_USAGE', usageOf(app, name, parameter, text))
    return await inTime(action.perform(ask, text ?? ''), withinMs, app, signal)
  } catch (error) {
    return { error: { code: codeOf(error) ?? null, message: messageOf(error) } }
  }
}

function textOf(given: unknown): string | undefined {
  if (typeof given === 'string') return given
  const text = JSON.stringify(given ?? {})
  return text === '{}' ? undefined : text
}

function usageOf(
  app: string,
  name: string,
  parameter: Action['parameter'],
  text: string | undefined,
): string {
  const got = text === undefined ? 'nothing' : `"${text}"`
  if (parameter === undefined) return `${name} takes no parameter, and got ${got}`
  const { must, example } = parameter
  return `${name} takes ${must}, and got ${got}; for example: pm2 trigger ${app} ${name} ${example}`
}

async function inTime<T>(
  performed: Promise<T>,
  withinMs: number,
  app: string,
  signal: AbortSignal,
): Promise<T> {
  const over = new AbortController()
  const failing = new Promise<never>((_, reject) => {
    const timer = setTimeout(() => {
      const message =
        withinMs === promptMs
          ? `No answer within ${withinMs / 1_000} s; the service is perhaps paused`
          : `Still under way after ${withinMs / 1_000} s; "helloserver status --name ${app}" shows how it gets on`
      reject(new HelloserverError('CONTROL_FAILED', message))
    }, withinMs)
    const replaced = () => {
      const message = 'pm2 is replacing this process; ask again when it has'
      reject(new HelloserverError('CONTROL_FAILED', message))
    }
    over.signal.addEventListener('abort', () => clearTimeout(timer), { once: true })
    if (signal.aborted) replaced()
    else signal.addEventListener('abort', replaced, { once: true, signal: over.signal })
  })
  try {
    return await Promise.race([performed, failing])
  } finally {
    over.abort()
  }
}
