import type pmx from '@pm2/io/build/main/pmx.js'
import type { Status } from '../status.ts'
import type { Ask } from './actions.ts'
import { visible } from '../visible.ts'
import { figures } from './figures.ts'

/** How often the figures are asked for, in milliseconds: as often as @pm2/io sends them on. */
const everyMs = 1_000

export interface MetricsOptions {
  readonly ask: Ask
  /** Told of each status. */
  readonly onStatus: (status: Status) => void
  /** Ends it. */
  readonly signal: AbortSignal
}

/**
 * Shows the service in `pm2 monit` and `pm2 describe`. The figures are the primary's: a bridge that takes over goes on
 * with the same.
 */
export function showMetrics(
  io: Pick<pmx.default, 'metric'>,
  { ask, onStatus, signal }: MetricsOptions,
): void {
  let latest: Status | undefined
  for (const { name, value } of figures) {
    // Another bridge has taken over, or the service is gone: what was true until then must not look as if it still were.
    const show = () =>
      latest === undefined || signal.aborted ? '-' : visible(value(latest, new Date()))
    // Its types know of numbers only; pm2 shows texts as they are.
    io.metric({ name, value: show } as unknown as Parameters<pmx.default['metric']>[0])
  }
  const refresh = async () => {
    const status = await ask('status', {})
    latest = status
    onStatus(status)
  }
  // When the primary is gone the bridge hears of that by itself, and this ends with it.
  const look = () => void refresh().catch(() => {})
  look()
  const timer = setInterval(look, everyMs)
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
