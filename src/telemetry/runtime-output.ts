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
 * Makes all output of this process log lines: each warning of Node.js, and each console message of a package, becomes
 * one line. Not for a process that runs an app.
 */
export function logRuntimeOutput(log: Logger): void {
  // Node's own listener prints to standard error.
  process.removeAllListeners('warning')
  process.on('warning', (warning) => log.warn({ error: warning }, 'Node.js emitted a warning'))
  for (const [method, level] of Object.entries(levels) as [keyof typeof levels, 'info'][]) {
    // oxlint-disable-next-line no-console
    console[method] = (...args: unknown[]) => log[level]({ source: 'console' }, format(...args))
  }
}
