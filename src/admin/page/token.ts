const key = 'helloserver-token'

/** Keeps the token until the tab is closed, and for this origin only, including its port. */
export function keepToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(key)
  else sessionStorage.setItem(key, token)
}

export function hasToken(): boolean {
  return sessionStorage.getItem(key) !== null
}

/** The headers by which a request presents the token. */
export function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(key)
  return token === null ? {} : { Authorization: `Bearer ${token}` }
}

/** Keeps a token if it is right; otherwise resolves with the reason why it is not. */
export async function tryToken(token: string): Promise<string | undefined> {
  keepToken(token)
  const { status, message } = await post('/api/token')
  if (status === 200) return undefined
  keepToken(undefined)
  return message ?? 'The token could not be checked'
}

/** The service's answer to a request that changes something. */
export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  /** The error message, if the request failed. */
  readonly message: string | undefined
}

export async function post(path: string, body: object = {}): Promise<Answer> {
  try {
    const response = await fetch(path, {
      method: 'POST',
      headers: { ...authorization(), 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    const answer = (await response.json()) as Record<string, unknown> & {
      readonly error?: { readonly message: string }
    }
    return { status: response.status, body: answer, message: answer.error?.message }
  } catch {
    // The page's own connection shows the cause, too.
    return { status: 0, body: {}, message: 'The service does not answer' }
  }
}
