/** The ways in which helloserver hands connections over to its workers. */
export type HandOff = 'native' | 'portable'

/** The way that a service has taken, and why. */
export interface HandOffTaken {
  readonly handOff: HandOff
  readonly reason: string
}

/**
 * Reads it from the text of `status --json`. A service that does not say knows only the portable way.
 *
 * @throws Error when the text is no JSON
 */
export function handOffIn(text: string): HandOffTaken {
  const status: unknown = JSON.parse(text)
  const fields: Record<string, unknown> =
    typeof status === 'object' && status !== null ? { ...status } : {}
  const { handOff, handOffReason } = fields
  if (handOff === undefined) {
    return { handOff: 'portable', reason: 'this release has no other way' }
  }
  const reason = typeof handOffReason === 'string' ? handOffReason : 'status gives no reason'
  return { handOff: handOff === 'native' ? 'native' : 'portable', reason }
}
