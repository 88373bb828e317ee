import { format } from 'node:util'
import type { Logger } from './logger.ts'

const levels = {
  debug: 'debug',
  log: 'info',
  info: 'info',
  warn: 'warn',
  error: 'warn',
  trace: 'debug',
} as const

/**
 * Has this process write nothing but log lines: what Node.js warns of, and what packages print to the console, becomes
 * one each. Not for a process that an app runs in.
 */
export function logRuntimeOutput(log: Logger): void {
  // Node's own listener prints to standard error.
  process.removeAllListeners('warning')
  process.on('warning', (warning) => log.warn({ error: warning }, 'Node.js warns of something'))
  for (const [method, level] of Object.entries(levels) as [keyof typeof levels, 'info'][]) {
    // oxlint-disable-next-line no-console
    console[method] = (...args: unknown[]) => log[level]({ source: 'console' }, format(...args))
  }
}
