import { exitStatus } from '../errors.ts'
import type { Pm2Process } from './pm2-process.ts'
import { type Timeouts, timeoutSettings, tooSmall } from './requirements.ts'

/** Problems that pm2's settings of the app would cause, each in a sentence that says how to fix it. */
export function settingsProblems(
  pm2: Pick<Pm2Process, 'milliseconds' | 'isOn' | 'isLeftAloneOn' | 'isClustered'>,
  timeouts: Timeouts,
): string[] {
  const problems: string[] = []
  const demand = (setting: keyof typeof timeoutSettings) => {
    const value = pm2.milliseconds(setting)
    const leastMs = timeoutSettings[setting].leastMs(timeouts)
    if (value !== undefined && value >= leastMs) return
    problems.push(tooSmall("The ecosystem file's ", setting, value, leastMs))
  }
  demand('kill_timeout')
  // In fork mode, pm2 waits only for apps with `wait_ready`.
  if (pm2.isClustered || pm2.isOn('wait_ready')) demand('listen_timeout')
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
