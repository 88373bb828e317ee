import type { LiveMessages } from '../live-messages.ts'
import { authorization } from './token.ts'

/**
 * The service sends a status once a second: a silence longer than this means that the connection is broken.
 * Milliseconds.
 */
const silentAfterMs = 5_000
const retryAfterMs = 1_000

/** Receives the messages, and news of the connection. */
export interface Audience {
  onHello(message: LiveMessages['hello']): void
  onStatus(message: LiveMessages['status']): void
  onFleet(message: LiveMessages['fleet']): void
  /** The connection was lost, with the reason if there is one; it is retried. */
  onLost(reason: string | undefined): void
  /** A token is required to show anything; resolves when there is a new one. */
  onDenied(): Promise<void>
}

/**
 * Reads server-sent events for as long as the page is open. It uses fetch, because an EventSource cannot send a
 * token, and a cookie instead would also go to every other port of the host.
 */
export async function follow(audience: Audience): Promise<never> {
  for (;;) {
    try {
      const isDenied = await readOnce(audience)
      if (isDenied) {
        await audience.onDenied()
        continue
      }
      audience.onLost(undefined)
    } catch (error) {
      audience.onLost(error instanceof Refused ? error.message : undefined)
    }
    await new Promise((resolve) => setTimeout(resolve, retryAfterMs))
  }
}

class Refused extends Error {}

async function refusalIn(response: Response): Promise<Refused> {
  const text = await response.text()
  try {
    return new Refused((JSON.parse(text) as { error: { message: string } }).error.message)
  } catch {
    // Plain text from the service, or from a proxy in between.
    return new Refused(text)
  }
}

/** Reads one connection to its end; resolves with whether it ended for lack of a token. */
async function readOnce(audience: Audience): Promise<boolean> {
  const hangUp = new AbortController()
  let silence = setTimeout(() => hangUp.abort(), silentAfterMs)
  try {
    const response = await fetch('/api/live', {
      headers: authorization(),
      signal: hangUp.signal,
      cache: 'no-store',
    })
    if (response.status === 401) return true
    if (!response.ok || response.body === null) throw await refusalIn(response)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    let unread = ''
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return false
      clearTimeout(silence)
      silence = setTimeout(() => hangUp.abort(), silentAfterMs)
      const messages = (unread + value).split('\n\n')
      unread = messages.pop() ?? ''
      for (const message of messages) tell(audience, message)
    }
  } finally {
    clearTimeout(silence)
  }
}

function tell(audience: Audience, message: string): void {
  const [, name, data] = /^event: (\w+)\ndata: (.*)$/.exec(message) ?? []
  if (data === undefined) return
  if (name === 'hello') audience.onHello(JSON.parse(data) as LiveMessages['hello'])
  if (name === 'fleet') audience.onFleet(JSON.parse(data) as LiveMessages['fleet'])
  if (name === 'status') audience.onStatus(JSON.parse(data) as LiveMessages['status'])
}
