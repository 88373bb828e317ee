const key = 'helloserver-token'

/** Kept until the tab is closed, and for this origin only, its port included. */
export function keepToken(token: string | undefined): void {
  if (token === undefined) sessionStorage.removeItem(key)
  else sessionStorage.setItem(key, token)
}

export function hasToken(): boolean {
  return sessionStorage.getItem(key) !== null
}

/** What a request shows of it. */
export function authorization(): Record<string, string> {
  const token = sessionStorage.getItem(key)
  return token === null ? {} : { Authorization: `Bearer ${token}` }
}

/** Keeps a token when it is right; resolves with why it is not. */
export async function tryToken(token: string): Promise<string | undefined> {
  keepToken(token)
  const { status, message } = await post('/api/token')
  if (status === 200) return undefined
  keepToken(undefined)
  return message ?? 'The token could not be tried'
}

/** How the service answered a request that changes something. */
export interface Answer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
  /** What went wrong. */
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
    // Whatever it is, the page's connection says so, too.
    return { status: 0, body: {}, message: 'The service does not answer' }
  }
}
