import { setImmediate as turn } from 'node:timers/promises'

/**
 * Resolves when the event loop has looked for input again, and has delivered all that had arrived by now.
 *
 * After code that has kept the loop busy, such as the loading of modules: a write to a socket whose other end is gone
 * fails at once and destroys the socket, along with what the other end had said last.
 */
export async function nextPoll(): Promise<void> {
  // The first turn ends this round of the loop; the second one follows the next look for input.
  await turn()
  await turn()
}
