import { closeSync, writeSync } from 'node:fs'
import type { ErrorCode } from '../errors.ts'

/** The descriptor on which a launched primary reports how its start went, after stdio. */
export const bootReportFd = 3

/** The result of a start. */
export type BootReport =
  | {
      readonly outcome: 'serving'
      readonly pid: number
      /** Of the first TCP endpoint; empty and 0 when there are Unix sockets only. */
      readonly host: string
      readonly port: number
      readonly endpoints: readonly string[]
    }
  /** It has started, but another host serves, Redis cannot be asked, or the address does not exist yet. */
  | { readonly outcome: 'standby'; readonly pid: number; readonly reason: string }
  | { readonly outcome: 'failed'; readonly code: ErrorCode | undefined; readonly message: string }

/** The report of a successful start. */
export type Started = Exclude<BootReport, { outcome: 'failed' }>

/**
 * Reports how the start went, once, and closes the descriptor: s6's readiness notification, with words. A
 * primary that dies before its report closes it too, which the launcher takes for a failure.
 */
export function reportBoot(report: BootReport): void {
  try {
    writeSync(bootReportFd, `${JSON.stringify(report)}\n`)
    closeSync(bootReportFd)
  } catch {
    // The launcher has given up waiting; the service is what matters.
  }
}
