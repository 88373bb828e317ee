/** The requirements of a service on pm2's settings of its app. */
import type { Results } from '../control/protocol.ts'
import { exitStatus } from '../errors.ts'

/** How long a drain takes besides serving, in milliseconds: it drops what is left and ends the workers. */
const marginMs = 3_000

/** How long the service may take for the steps that pm2 waits for. */
export type Timeouts = Pick<
  Results['attach'],
  'drainAnnounceMs' | 'drainTimeoutMs' | 'readyTimeoutMs'
>

/** The settings that pm2 waits by, each with the consequence of a smaller value. */
export const timeoutSettings = {
  kill_timeout: {
    leastMs: ({ drainAnnounceMs, drainTimeoutMs }: Timeouts) =>
      drainAnnounceMs + drainTimeoutMs + marginMs,
    orElse: 'pm2 kills the bridge before the drain is over',
  },
  listen_timeout: {
    // A reload waits for its first new worker, then for the others.
    leastMs: ({ readyTimeoutMs }: Timeouts) => 2 * readyTimeoutMs + marginMs,
    orElse: 'pm2 gives up on a reload that is still under way',
  },
} as const

/** A setting is too small: says so in a sentence. */
export function tooSmall(
  where: string,
  setting: keyof typeof timeoutSettings,
  value: number | undefined,
  leastMs: number,
): string {
  return `${where}${setting} is ${value ?? 'not set'}; it must be at least ${leastMs}, or ${timeoutSettings[setting].orElse}`
}

/**
 * The exit statuses on which pm2 must leave the app stopped: one process too many; ended on purpose; needs a
 * person to fix it.
 */
export const finalStatuses: readonly number[] = [
  exitStatus.usage,
  exitStatus.notRunning,
  exitStatus.badConfig,
]
