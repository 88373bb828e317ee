import type { Results } from '../control/protocol.ts'
import { exitStatus } from '../errors.ts'
import type { Pm2Process } from './pm2-process.ts'

/** How long a drain takes besides serving, in milliseconds: it drops what is left and ends the workers. */
const marginMs = 3_000

/** How long the service may take for the steps that pm2 waits for. */
type Timeouts = Pick<Results['attach'], 'drainAnnounceMs' | 'drainTimeoutMs' | 'readyTimeoutMs'>

/** Problems that pm2's settings of the app would cause, each in a sentence that says how to fix it. */
export function settingsProblems(
  pm2: Pick<Pm2Process, 'milliseconds' | 'isOn' | 'isLeftAloneOn' | 'isClustered'>,
  { drainAnnounceMs, drainTimeoutMs, readyTimeoutMs }: Timeouts,
): string[] {
  const problems: string[] = []
  const require = (setting: 'kill_timeout' | 'listen_timeout', leastMs: number, why: string) => {
    const value = pm2.milliseconds(setting)
    if (value !== undefined && value >= leastMs) return
    problems.push(
      `The ecosystem file's ${setting} is ${value ?? 'not set'}; it must be at least ${leastMs}, or ${why}`,
    )
  }
  require('kill_timeout', drainAnnounceMs +
    drainTimeoutMs +
    marginMs, 'pm2 kills the bridge before the drain is over')
  // A reload waits for its first new worker, then for the others. In fork mode, pm2 waits only for apps with
  // `wait_ready`.
  if (pm2.isClustered || pm2.isOn('wait_ready')) {
    require('listen_timeout', 2 * readyTimeoutMs +
      marginMs, 'pm2 gives up on a reload that is still under way')
  }
  if (!pm2.isOn('wait_ready')) {
    problems.push(
      'The ecosystem file needs wait_ready: true, or pm2 reports the service as online before it is ready',
    )
  }
  if (!pm2.isLeftAloneOn(exitStatus.notRunning)) {
    problems.push(
      `The ecosystem file's stop_exit_codes must include ${exitStatus.notRunning}, or pm2 starts the service again after it was drained on purpose`,
    )
  }
  return problems
}
