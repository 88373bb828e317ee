import type pmx from '@pm2/io/build/main/pmx.js'
import type { Status } from '../status.ts'
import { visible } from '../visible-text.ts'
import type { Ask } from './actions.ts'
import { figures } from './figures.ts'
import { pm2Version, quirksOf } from './pm2-release.ts'

/** How often to request the figures, in milliseconds: as often as @pm2/io sends them. */
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
  io: Pick<pmx.default, 'metric'>,
  { ask, onStatus, signal }: MetricsOptions,
): void {
  let latest: Status | undefined
  const { reversesFigures } = quirksOf(pm2Version())
  for (const { name, value } of reversesFigures ? figures.toReversed() : figures) {
    // After another bridge has taken over, or the service is gone, old figures must not look current.
    const show = () =>
      latest === undefined || signal.aborted ? '-' : visible(value(latest, new Date()))
    // The types allow only numbers; pm2 shows texts as they are.
    io.metric({ name, value: show } as unknown as Parameters<pmx.default['metric']>[0])
  }
  const refresh = async () => {
    const status = await ask('status', {})
    latest = status
    onStatus(status)
  }
  // The bridge itself notices when the primary is gone, and then ends this too.
  const update = () => void refresh().catch(() => {})
  update()
  const timer = setInterval(update, everyMs)
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
