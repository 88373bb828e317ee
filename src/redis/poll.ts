/** How often who waits for something in Redis looks, if no hint comes: lower and upper bound, in milliseconds. */
const boundsMs = [150, 250] as const

/** How long to pause before the next look, in milliseconds: spread, so that a fleet does not look all at once. */
export function pollPauseMs(): number {
  const [least, most] = boundsMs
  return least + Math.random() * (most - least)
}
