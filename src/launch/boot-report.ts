import { closeSync, writeSync } from 'node:fs'
import type { ErrorCode } from '../errors.ts'

/** The descriptor on which a launched primary says how its start went, after stdio. */
export const bootReportFd = 3

/** How a start went. */
export type BootReport =
  | {
      readonly outcome: 'serving'
      readonly pid: number
      readonly host: string
      readonly port: number
    }
  /** It has started; another host serves, Redis cannot be asked, or the address is not there yet. */
  | { readonly outcome: 'standby'; readonly pid: number; readonly reason: string }
  | { readonly outcome: 'failed'; readonly code: ErrorCode | undefined; readonly message: string }

/** A start that went well. */
export type Started = Exclude<BootReport, { outcome: 'failed' }>

/**
 * Says how the start went, once, and closes the descriptor: s6's readiness notification, with words.
 * A primary that dies before it has said anything closes it too, which the launcher takes for a failure.
 */
export function reportBoot(report: BootReport): void {
  try {
    writeSync(bootReportFd, `${JSON.stringify(report)}\n`)
    closeSync(bootReportFd)
  } catch {
    // The launcher gave up waiting; the service is what matters.
  }
}
