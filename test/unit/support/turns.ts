/** How often the event loop turns until a promise settles. */
export async function turnsDuring(pending: Promise<unknown>): Promise<number> {
  let counted = 0
  const count = () => {
    counted += 1
    next = setImmediate(count)
  }
  let next = setImmediate(count)
  await pending
  clearImmediate(next)
  return counted
}

/** Resolves when the event loop has turned so often: by then, what was on its way within this machine has arrived. */
export async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}
