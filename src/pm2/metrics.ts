import io from '@pm2/io'
import type { Status } from '../status.ts'

/** How often the figures are asked for, in milliseconds: as often as @pm2/io sends them on. */
const everyMs = 1_000

/**
 * Shows the service in `pm2 monit` and `pm2 describe`: a few short metrics, the most vital first, since a
 * small terminal cuts what comes later.
 *
 * @param ask - asks the primary for its status
 * @param onStatus - told of each status
 * @param signal - ends it
 */
export function showMetrics(
  ask: () => Promise<Status>,
  onStatus: (status: Status) => void,
  signal: AbortSignal,
): void {
  let latest: Status | undefined
  io.init({
    metrics: { v8: false, eventLoop: false, http: false, runtime: false, network: false },
    transactions: false,
    http: false,
  } as Parameters<typeof io.init>[0])
  const metric = (name: string, value: (status: Status) => string | number) =>
    io.metric({ name, value: () => (latest === undefined ? '-' : value(latest)) } as Parameters<
      typeof io.metric
    >[0])
  metric('State', ({ state, generation }) => `${state} g${generation}`)
  metric(
    'Busy',
    ({ workers }) => `${workers.filter(({ busyMs }) => busyMs !== null).length}/${workers.length}`,
  )
  metric('Queue', ({ queue }) => queue.length)
  metric('Conn/s', ({ rates }) => rates.perSecond)

  const refresh = async () => {
    const status = await ask()
    latest = status
    onStatus(status)
  }
  // When the primary is gone the bridge hears of that by itself, and this ends with it.
  const timer = setInterval(() => void refresh().catch(() => {}), everyMs)
  signal.addEventListener('abort', () => clearInterval(timer), { once: true })
}
