/** How often the event loop turns until a promise settles. */
export async function turnsDuring(pending: Promise<unknown>): Promise<number> {
  let turns = 0
  const count = () => {
    turns += 1
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  await pending
  clearImmediate(next)
  return turns
}
