import type { Config } from '../config/load.ts'

/** How soon to look for another worker when one has hung up without a word, in milliseconds. */
export const askAgainMs = 20

/** How long a process may take to end once it was killed, in milliseconds. */
export const killedWithinMs = 5_000

/** How long a worker may take to end after it was told to, in milliseconds. */
export function patienceMs({ connection, watchdog }: Config): number {
  return connection.deadlineMs + connection.lingerMs + watchdog.hungAfterMs
}
