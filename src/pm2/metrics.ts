import type { Status } from '../status.ts'
import type { Ask } from './actions.ts'
import { visible } from '../visible.ts'
import { figures } from './figures.ts'
import type { Pm2Io } from './pm2-io.ts'

/** How often to request the figures, in milliseconds: as often as pm2 is sent them. */
const everyMs = 1_000

export interface MetricsOptions {
  readonly ask: Ask
  /** Called with each status. */
  readonly onStatus: (status: Status) => void
  /** Stops the updates when aborted. */
  readonly signal: AbortSignal
}

/**
 * Shows the service in `pm2 monit` and `pm2 describe`. The figures are the primary's, so a bridge that takes
 * over continues with the same ones.
 */
export function showMetrics(
  io: Pick<Pm2Io, 'metric'>,
  { ask, onStatus, signal }: MetricsOptions,
): void {
  let latest: Status | undefined
  for (const { name, value } of figures) {
    // After another bridge has taken over, or the service is gone, old figures must not look current.
    const show = () =>
      latest === undefined || signal.aborted ? '-' : visible(value(latest, new Date()))
    io.metric({ name, value: show })
  }
  const refresh = async () => {
    const status = await ask('status', {})
    latest = status
    onStatus(status)
  }
  // The bridge itself notices when the primary is gone, and then ends this too.
  const look = () => void refresh().catch(() => {})
  look()
  const timer = setInterval(look, everyMs)
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
