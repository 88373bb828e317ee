/** The interval at which a waiting host polls the store if no hint arrives: lower and upper bound, in milliseconds. */
const boundsMs = [150, 250] as const

/** How long to pause before the next poll, in milliseconds; jittered, so that a fleet does not poll in step. */
export function pollPauseMs(): number {
  const [least, most] = boundsMs
  return least + Math.random() * (most - least)
}
